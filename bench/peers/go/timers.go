package main

import (
	"runtime"
	"time"
)

func never() {}

func timerStartCancel(j job) []figure {
	n := j.n(1_000_000)
	start := time.Now()
	for i := 0; i < n; i++ {
		time.AfterFunc(time.Minute, never).Stop()
	}
	return one("pairs/s", perSecond(n, start))
}

// Due between one and two minutes from now, spread by a step that visits every millisecond.
func timers1m(j job) []figure {
	n := j.n(1_000_000)
	timers := make([]*time.Timer, n)
	for i := range timers {
		timers[i] = nil // touches the page
	}
	runtime.GC()
	before := rss()
	start := time.Now()
	for i := range timers {
		timers[i] = time.AfterFunc(time.Duration(60_000+i*7919%60_000)*time.Millisecond, never)
	}
	set := perSecond(n, start)
	bytes := (rss() - before) / float64(n)
	start = time.Now()
	for _, t := range timers {
		t.Stop()
	}
	return []figure{{".set", "timers/s", set}, {".cancel", "timers/s", perSecond(n, start)}, {".mem", "bytes/timer", bytes}}
}
