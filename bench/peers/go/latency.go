package main

import (
	"sync/atomic"
	"time"
)

func latencyIdlePaced(j job) []figure     { return paced(0, 0) }
func latencyLoadPaced(j job) []figure     { return paced(4, 0) }
func latencyLoadPacedWork(j job) []figure { return paced(4, 200*time.Microsecond) }

func compute(rounds int, x uint64) uint64 {
	for ; rounds > 0; rounds-- {
		x = (x*1103515245 + 12345) & 0x7fffffff
	}
	return x
}

// How many rounds of compute take this long on an idle core: the fastest of five tries.
func calibrate(wanted time.Duration) int {
	const rounds = 500_000
	fastest := time.Hour
	for i := 0; i < 5; i++ {
		start := time.Now()
		sink.Store(compute(rounds, 1))
		if t := time.Since(start); t < fastest {
			fastest = t
		}
	}
	return int(int64(wanted) * rounds / int64(fastest))
}

// sink keeps the compiler from dropping a computation that nobody reads.
var sink atomic.Uint64

// Round trips of a pair, each after 1 ms of sleep, beside hogs that never yield.
// due: from the moment the sleep was due to end until the reply; without it: from waking up until the reply.
func paced(hogs int, work time.Duration) []figure {
	rounds := calibrate(work)
	var stop atomic.Bool
	for h := 0; h < hogs; h++ {
		go func(x uint64) {
			for !stop.Load() {
				x = compute(1_000_000, x)
			}
			sink.Store(x)
		}(uint64(h))
	}
	there, back := make(chan int, 1), make(chan int, 1)
	go func() {
		for x := range there {
			sink.Store(compute(rounds, 1))
			back <- x
		}
	}()
	time.Sleep(200 * time.Millisecond)
	length := 2 * time.Second
	if quick {
		length = time.Second
	}
	var trips, dues []float64
	for end := time.Now().Add(length); time.Now().Before(end); {
		slept := time.Now()
		time.Sleep(time.Millisecond)
		woke := time.Now()
		sink.Store(compute(rounds, 1))
		there <- 1
		<-back
		done := time.Now()
		trips = append(trips, float64(done.Sub(woke).Nanoseconds())/1000)
		due := done.Sub(slept) - time.Millisecond
		if due < 0 {
			due = 0
		}
		dues = append(dues, float64(due.Nanoseconds())/1000)
	}
	stop.Store(true)
	close(there)
	return append(percentiles("due_", dues), percentiles("", trips)...)
}
