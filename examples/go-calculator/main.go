// Command calculator reads one calculation a line from standard input, such as "1 + 2", and prints
// each result. It ends with status 1 if any line could not be calculated.
package main

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
)

func main() {
	if !run(os.Stdin, os.Stdout, os.Stderr) {
		os.Exit(1)
	}
}

// run calculates every line of in and reports whether all went well. Without package fmt the
// program stays a third smaller.
func run(in io.Reader, out, errors io.Writer) bool {
	lines := bufio.NewScanner(in)
	fine := true
	for number := 1; lines.Scan(); number++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		result, problem := calculate(text)
		if problem != "" {
			fine = false
			io.WriteString(errors, "line "+strconv.Itoa(number)+": "+problem+"\n")
			continue
		}
		io.WriteString(out, strconv.FormatFloat(result, 'g', -1, 64)+"\n")
	}
	if err := lines.Err(); err != nil {
		fine = false
		io.WriteString(errors, "cannot read on: "+err.Error()+"\n")
	}
	return fine
}

// calculate returns the result of "number operator number", or what is wrong with it.
func calculate(text string) (result float64, problem string) {
	words := strings.Fields(text)
	if len(words) != 3 {
		return 0, strconv.Quote(text) + " is not a number, an operator and a number"
	}
	left, err := strconv.ParseFloat(words[0], 64)
	if err != nil {
		return 0, strconv.Quote(words[0]) + " is not a number"
	}
	right, err := strconv.ParseFloat(words[2], 64)
	if err != nil {
		return 0, strconv.Quote(words[2]) + " is not a number"
	}
	switch words[1] {
	case "+":
		return left + right, ""
	case "-":
		return left - right, ""
	case "*":
		return left * right, ""
	case "/":
		if right == 0 {
			return 0, "division by zero"
		}
		return left / right, ""
	}
	return 0, strconv.Quote(words[1]) + " is not one of + - * /"
}
