package main

import (
	"runtime"
	"sync"
	"time"
)

func spawnExit(j job) []figure {
	n := j.n(1_000_000)
	var all sync.WaitGroup
	all.Add(n)
	start := time.Now()
	for i := 0; i < n; i++ {
		go all.Done()
	}
	all.Wait()
	return one("procs/s", perSecond(n, start))
}

// Go tells nobody of an end: the goroutine says it itself, by a deferred close.
func monitorDown(j job) []figure {
	n := j.n(300_000)
	start := time.Now()
	for i := 0; i < n; i++ {
		down := make(chan struct{})
		go func() { defer close(down) }()
		<-down
	}
	return one("procs/s", perSecond(n, start))
}

// The usual way to survive a panic: recover in a deferred function and hand the reason to the parent.
func linkExit(j job) []figure {
	n := j.n(300_000)
	start := time.Now()
	for i := 0; i < n; i++ {
		exit := make(chan any, 1)
		go func() {
			defer func() { exit <- recover() }()
			panic("boom")
		}()
		if <-exit != "boom" {
			fail("link_exit: another reason than boom")
		}
	}
	return one("procs/s", perSecond(n, start))
}

func spawnLiveMem(j job) []figure {
	n := j.n(1_000_000)
	inboxes := make([]chan int, n)
	for i := range inboxes {
		inboxes[i] = nil // touches the page, so that the driver's own slice is not counted
	}
	runtime.GC()
	before := rss()
	start := time.Now()
	for i := range inboxes {
		inbox := make(chan int)
		inboxes[i] = inbox
		go func() {
			for range inbox {
			}
		}()
	}
	rate := perSecond(n, start)
	time.Sleep(500 * time.Millisecond)
	bytes := (rss() - before) / float64(n)
	runtime.KeepAlive(inboxes)
	return []figure{{"", "bytes/proc", bytes}, {".spawn_rate", "procs/s", rate}}
}
