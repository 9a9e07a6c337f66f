package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"
)

// job is what the command line and QUICK=1 say about one run of a row.
type job struct {
	workers, reps, ops, scale int
}

// n is how many operations a row does: what --ops says, else full, a fifth of it if QUICK=1, less in the warm-up.
func (j job) n(full int) int {
	if j.ops > 0 {
		return j.ops
	}
	if quick {
		full /= 5
	}
	if full /= j.scale; full < 1 {
		return 1
	}
	return full
}

var quick = os.Getenv("QUICK") == "1"

type figure struct {
	suffix, unit string
	value        float64
}

// How a row is repeated: rate has a small warm-up first, plain has none, once is true only in a fresh program.
const (
	rate = iota
	plain
	once
)

type row struct {
	name string
	kind int
	run  func(job) []figure
}

func perSecond(n int, since time.Time) float64 { return float64(n) / time.Since(since).Seconds() }

func one(unit string, value float64) []figure { return []figure{{"", unit, value}} }

func rss() float64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		fail(err.Error())
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		fail(err.Error())
	}
	return float64(pages * os.Getpagesize())
}

// percentiles are by nearest rank; samples and figures in microseconds.
func percentiles(prefix string, samples []float64) []figure {
	sort.Float64s(samples)
	at := func(p float64) float64 { return samples[int(math.Ceil(p*float64(len(samples))))-1] }
	return []figure{{"." + prefix + "p50", "us", at(0.5)}, {"." + prefix + "p99", "us", at(0.99)}}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(2)
}

func number(v float64) string {
	if math.Abs(v) >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

func print(name string, f figure, values []float64) {
	sort.Float64s(values)
	n := len(values)
	median := (values[(n-1)/2] + values[n/2]) / 2
	fmt.Printf("%s%s\t%s\t%s\t%s\t%s\t%d\n", name, f.suffix, number(median), f.unit, number(values[0]), number(values[n-1]), n)
}

func positive(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		fail("not a positive number: " + text)
	}
	return n
}

func arguments(args []string) job {
	j := job{workers: runtime.NumCPU(), reps: 3, scale: 1}
	for ; len(args) >= 2; args = args[2:] {
		switch args[0] {
		case "--workers":
			j.workers = positive(args[1])
		case "--reps":
			j.reps = positive(args[1])
		case "--ops":
			j.ops = positive(args[1])
		default:
			fail("unknown option " + args[0])
		}
	}
	if len(args) == 1 {
		fail("an option without its value: " + args[0])
	}
	return j
}

func runRow(r row, j job) {
	if r.kind == rate && j.ops == 0 {
		warm := j
		warm.scale = 10
		r.run(warm)
		runtime.GC()
	}
	if r.kind == once {
		j.reps = 1
	}
	var results [][]figure
	for i := 0; i < j.reps; i++ {
		results = append(results, r.run(j))
		runtime.GC()
	}
	for i, f := range results[0] {
		var values []float64
		for _, result := range results {
			values = append(values, result[i].value)
		}
		print(r.name, f, values)
	}
}
