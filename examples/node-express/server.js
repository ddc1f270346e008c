// A guest book over HTTP, kept in memory.
const compression = require("compression");
const express = require("express");
const helmet = require("helmet");
const path = require("node:path");
const { guestBook } = require("./routes/entries");

const app = express();
app.disable("x-powered-by");
app.use(helmet());
app.use(compression());
app.use(express.json({ limit: "16kb" }));
app.use(express.static(path.join(__dirname, "public")));
app.get("/healthz", (request, response) => response.type("text").send("ok\n"));
app.use("/entries", guestBook());

if (require.main === module) {
  const server = app.listen(process.env.PORT || 3000, () => {
    console.log(`listening on port ${server.address().port}`);
  });
  // an orderly end: what is under way is answered
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => server.close(() => process.exit(0)));
  }
}

module.exports = app;
