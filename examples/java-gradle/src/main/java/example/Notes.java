package example;

import com.google.gson.Gson;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;

/** Keeps notes in memory: POST one to /notes, GET them all. */
public final class Notes {
    private static final int DEFAULT_PORT = 8080;

    private final Gson gson = new Gson();
    private final List<Note> notes = new CopyOnWriteArrayList<>();

    /** A note; its text is all there is to it. */
    static final class Note {
        final String text;

        Note(String text) {
            this.text = text;
        }
    }

    public static void main(String[] arguments) throws IOException {
        String said = System.getenv("PORT");
        int port = said == null ? DEFAULT_PORT : Integer.parseInt(said);
        HttpServer server = new Notes().server(port);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.stop(1);
            System.out.println("stopped");
        }));
        server.start();
        System.out.println("listening on :" + server.getAddress().getPort());
    }

    HttpServer server(int port) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/", exchange -> answer(exchange, 200, "Hello from Java\n"));
        server.createContext("/health", exchange -> answer(exchange, 200, "ok\n"));
        server.createContext("/notes", this::notes);
        return server;
    }

    private void notes(HttpExchange exchange) throws IOException {
        switch (exchange.getRequestMethod()) {
            case "GET":
                answer(exchange, 200, gson.toJson(notes) + "\n");
                break;
            case "POST":
                try (Reader body = new InputStreamReader(
                        exchange.getRequestBody(), StandardCharsets.UTF_8)) {
                    Note note = gson.fromJson(body, Note.class);
                    notes.add(note);
                    answer(exchange, 201, gson.toJson(note) + "\n");
                }
                break;
            default:
                answer(exchange, 405, "GET or POST\n");
        }
    }

    private static void answer(HttpExchange exchange, int status, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }
}
