const express = require("express");

const MOST = 100;

/** Return a router with a guest book of its own. */
function guestBook() {
  const entries = [];
  const router = express.Router();
  router.get("/", (request, response) => response.json(entries));
  router.post("/", (request, response) => {
    const { name, text } = request.body ?? {};
    if (typeof name !== "string" || typeof text !== "string" || !name.trim() || !text.trim()) {
      return response.status(400).json({ error: "name and text are needed" });
    }
    const entry = { name: name.slice(0, 80), text: text.slice(0, 500) };
    entries.push(entry);
    entries.splice(0, entries.length - MOST);
    response.status(201).json(entry);
  });
  return router;
}

module.exports = { guestBook };
