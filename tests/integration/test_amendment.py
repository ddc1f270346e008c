"""The program itself says what it can read; a plan that guessed otherwise is amended."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.integration

SLEEPS = """\
package main

import (
	"os"
	"time"
)

func main() {
	time.Sleep(time.Millisecond)
	os.Stdout.WriteString("slept")
}
"""
NEVER_FETCHES = """\
package main

import (
	"net/http"
	"os"
)

func never() { http.Get("https://localhost") }

func main() { os.Stdout.WriteString(http.StatusText(http.StatusTeapot)) }
"""
READS_BY_PATH = """\
package main

import "os"

func main() {
	zone, err := os.ReadFile("/usr/share/zoneinfo/Europe/Zurich")
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Stdout.Write(zone[:4])
}
"""
READS_ZONES = """\
package main

import (
	"os"
	"time"
)

func main() {
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(time.Unix(0, 0).In(zone).Format(time.TimeOnly))
}
"""


def test_time_without_zones(laststage, calculator, go_program) -> None:
    folder = go_program(SLEEPS)
    assert "tzdata" not in laststage("plan", folder).stdout.partition("omit=")[2]
    done = laststage("build", "-t", "sleeps", folder)
    assert "plan amended after a look at the image: without tzdata" in done.stderr
    assert not _zones(laststage.image("sleeps:latest"))
    assert laststage("run", "sleeps").stdout == "slept"


def test_a_client_in_dead_code(laststage, web, go_program) -> None:
    report = laststage.build("-t", "never", go_program(NEVER_FETCHES))
    assert set(report["amended"]) >= {"without ca-certificates"}
    assert "omit=ca-certificates" in report["dockerfile"]
    image = laststage.image("never:latest")
    assert not [path for path in image.members if path.startswith("etc/ssl/certs/")]
    assert laststage("run", "never").stdout == "I'm a teapot"


def test_zones_read_by_their_path(laststage, calculator, go_program) -> None:
    folder = go_program(READS_BY_PATH)
    assert "tzdata" in laststage("plan", folder).stdout.partition("omit=")[2]
    report = laststage.build("-t", "reads", folder)
    assert report["amended"] == ["with tzdata"]
    assert _zones(laststage.image("reads:latest"))
    assert laststage("run", "reads").stdout == "TZif"


def test_zones_that_are_used_stay(laststage, calculator, go_program) -> None:
    report = laststage.build("-t", "zones", go_program(READS_ZONES))
    assert report["amended"] == []
    assert laststage("run", "zones").stdout == "01:00:00"


def test_an_amended_build_is_as_quick_the_next_time(laststage, calculator, go_program) -> None:
    folder = go_program(SLEEPS)
    first = laststage.build("-t", "sleeps", folder)
    second = laststage.build("-t", "sleeps", folder)
    assert second["executed_steps"] == 0
    assert (second["digest"], second["amended"]) == (first["digest"], first["amended"])


def _zones(image) -> list[str]:
    return [path for path in image.members if path.startswith("usr/share/zoneinfo/")]
