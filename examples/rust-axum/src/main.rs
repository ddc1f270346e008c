//! A small web server: a page from a template, a JSON interface, name look-ups and a health check.

use std::env;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tera::{Context, Tera};
use tokio::net::{TcpListener, lookup_host};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Deserialize)]
struct Greeting {
    #[serde(default = "everybody")]
    name: String,
}

#[derive(Deserialize)]
struct Lookup {
    name: String,
}

#[derive(Serialize)]
struct Addresses {
    name: String,
    addresses: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let templates = Arc::new(Tera::new("templates/**/*.html")?);
    let app = Router::new()
        .route("/", get(page))
        .route("/lookup", get(lookup))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(templates);
    let port: u16 = env::var("PORT").ok().and_then(|text| text.parse().ok()).unwrap_or(8080);
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    println!("listening on port {port}");
    axum::serve(listener, app).with_graceful_shutdown(stopped()).await?;
    Ok(())
}

fn everybody() -> String {
    "world".to_string()
}

/// The page, with whom it greets.
async fn page(
    State(templates): State<Arc<Tera>>,
    Query(greeting): Query<Greeting>,
) -> Result<Html<String>, StatusCode> {
    let mut context = Context::new();
    context.insert("name", &greeting.name);
    templates
        .render("page.html", &context)
        .map(Html)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// The addresses that a host name has, as the resolver of this machine knows them.
async fn lookup(Query(query): Query<Lookup>) -> Result<Json<Addresses>, StatusCode> {
    let found = lookup_host((query.name.as_str(), 0)).await.map_err(|_| StatusCode::NOT_FOUND)?;
    let addresses = found.map(|address| address.ip().to_string()).collect();
    Ok(Json(Addresses { name: query.name, addresses }))
}

/// Waits for the signal that stops a container.
async fn stopped() {
    let mut terminated = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    terminated.recv().await;
}
