package main

import (
	"os"
	"os/exec"
	"sort"
	"strconv"
	"time"
)

const startupOnce = "startup-once"

// The wall time of a whole program whose first goroutine runs, and which then stops.
func startup(j job) []figure {
	self, err := os.Executable()
	if err != nil {
		fail(err.Error())
	}
	var times []float64
	for i := 0; i < 5; i++ {
		start := time.Now()
		if err := exec.Command(self, startupOnce, "--workers", strconv.Itoa(j.workers)).Run(); err != nil {
			fail(err.Error())
		}
		times = append(times, float64(time.Since(start).Nanoseconds())/1e6)
	}
	sort.Float64s(times)
	return one("ms", times[2])
}

func firstGoroutine() {
	ran := make(chan struct{})
	go close(ran)
	<-ran
}
