"use client";

import { useEffect, useState } from "react";

/** The server's time, asked for once a second. */
export default function Clock() {
  const [time, setTime] = useState("");
  useEffect(() => {
    const ask = async () => setTime((await (await fetch("/api/time")).json()).time);
    const timer = setInterval(ask, 1000);
    return () => clearInterval(timer);
  }, []);
  return <p>{time && `The server's clock says ${time}.`}</p>;
}
