const list = document.getElementById("entries");
const form = document.getElementById("form");

async function show() {
  const entries = await (await fetch("entries")).json();
  list.replaceChildren(
    ...entries.map(({ name, text }) => {
      const item = document.createElement("li");
      item.textContent = `${name}: ${text}`;
      return item;
    }),
  );
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = JSON.stringify(Object.fromEntries(new FormData(form)));
  await fetch("entries", { method: "POST", headers: { "content-type": "application/json" }, body });
  form.reset();
  await show();
});

show();
