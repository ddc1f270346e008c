const assert = require("node:assert/strict");
const test = require("node:test");
const app = require("./server");

test("an entry is kept", async (t) => {
  const server = app.listen(0);
  t.after(() => server.close());
  const url = `http://localhost:${server.address().port}/entries`;
  const headers = { "content-type": "application/json" };
  const entry = { name: "Ada", text: "hello" };
  assert.equal((await fetch(url, { method: "POST", headers, body: "{}" })).status, 400);
  assert.equal((await fetch(url, { method: "POST", headers, body: JSON.stringify(entry) })).status, 201);
  assert.deepEqual(await (await fetch(url)).json(), [entry]);
});
