import Clock from "./clock";

// rendered for each visitor, not once at build
export const dynamic = "force-dynamic";

export default function Page() {
  return (
    <main>
      <h1>Hello from Next.js</h1>
      <p>
        Rendered by Node {process.versions.node} at <time>{new Date().toISOString()}</time>.
      </p>
      <Clock />
    </main>
  );
}
