import { useState } from "react";
import { Link, NavLink, Route, Routes, useParams } from "react-router";
import { convert, measures } from "./measures";

export function App() {
  return (
    <main>
      <h1>
        <Link to="/">Measures</Link>
      </h1>
      <nav>
        {Object.entries(measures).map(([key, measure]) => (
          <NavLink key={key} to={`/${key}`}>
            {measure.name}
          </NavLink>
        ))}
      </nav>
      <Routes>
        <Route index element={<p>What do you want to convert?</p>} />
        <Route path=":kind" element={<Converter />} />
        <Route path="*" element={<p>There is no such page.</p>} />
      </Routes>
    </main>
  );
}

function Converter() {
  const { kind = "" } = useParams();
  const measure = measures[kind];
  const [amount, setAmount] = useState(1);
  if (!measure) {
    return <p>Nobody here measures {kind}.</p>;
  }
  const [from, ...others] = Object.keys(measure.units);
  return (
    <section>
      <label>
        <input
          type="number"
          value={amount}
          onChange={(event) => setAmount(event.target.valueAsNumber || 0)}
        />{" "}
        {from}
      </label>
      <ul>
        {others.map((to) => (
          <li key={to}>
            {convert(amount, from, to, measure).toPrecision(6)} {to}
          </li>
        ))}
      </ul>
    </section>
  );
}
