package main

import (
	"strings"
	"testing"
)

func TestCalculate(t *testing.T) {
	for _, c := range []struct {
		text    string
		result  float64
		problem string
	}{
		{"1 + 2", 3, ""},
		{"1 - 2", -1, ""},
		{"1.5 * 4", 6, ""},
		{"-1 / 4", -0.25, ""},
		{"1 / 0", 0, "division by zero"},
		{"1 +", 0, `"1 +" is not a number, an operator and a number`},
		{"1 + 2 + 3", 0, `"1 + 2 + 3" is not a number, an operator and a number`},
		{"one + 2", 0, `"one" is not a number`},
		{"1 + two", 0, `"two" is not a number`},
		{"1 ^ 2", 0, `"^" is not one of + - * /`},
	} {
		result, problem := calculate(c.text)
		if result != c.result || problem != c.problem {
			t.Errorf("calculate(%q) = %v, %q; want %v, %q", c.text, result, problem, c.result, c.problem)
		}
	}
}

func TestRunGoesOnAfterABadLine(t *testing.T) {
	var out, errors strings.Builder
	fine := run(strings.NewReader("1 + 2\n\nnonsense\n1 / 0\n 10 / 4 \n"), &out, &errors)
	if fine {
		t.Error("run reports that all went well")
	}
	if out.String() != "3\n2.5\n" {
		t.Errorf("out = %q", out.String())
	}
	want := "line 3: \"nonsense\" is not a number, an operator and a number\nline 4: division by zero\n"
	if errors.String() != want {
		t.Errorf("errors = %q, want %q", errors.String(), want)
	}
}

func TestRunOfGoodLines(t *testing.T) {
	var out, errors strings.Builder
	if !run(strings.NewReader("2 * 3\n0.1 + 0.2"), &out, &errors) {
		t.Errorf("run reports a failure: %s", errors.String())
	}
	if out.String() != "6\n0.30000000000000004\n" {
		t.Errorf("out = %q", out.String())
	}
}
