package main

import (
	"sync"
	"time"
)

// A request carries its own reply channel; nil asks for none.
type request struct{ reply chan int }

func server() chan request {
	requests := make(chan request, 64)
	go func() {
		count := 0
		for r := range requests {
			count++
			if r.reply != nil {
				r.reply <- count
			}
		}
	}()
	return requests
}

// A fresh reply channel each time, the only form that would stay right after a timeout.
func calls(n int, to chan request) int {
	last := 0
	for i := 0; i < n; i++ {
		reply := make(chan int, 1)
		to <- request{reply}
		last = <-reply
	}
	return last
}

func call(j job) []figure {
	n := j.n(500_000)
	to := server()
	start := time.Now()
	calls(n, to)
	rate := perSecond(n, start)
	close(to)
	return one("calls/s", rate)
}

func callPar64x1(j job) []figure  { return callPar(j, 64, 1) }
func callPar64x64(j job) []figure { return callPar(j, 64, 64) }

func callPar(j job, clients, servers int) []figure {
	each := j.n(640_000) / clients
	if each < 1 {
		each = 1
	}
	to := make([]chan request, servers)
	for i := range to {
		to[i] = server()
	}
	var all sync.WaitGroup
	all.Add(clients)
	start := time.Now()
	for c := 0; c < clients; c++ {
		mine := to[c%servers]
		go func() {
			calls(each, mine)
			all.Done()
		}()
	}
	all.Wait()
	rate := perSecond(each*clients, start)
	for _, s := range to {
		close(s)
	}
	return one("calls/s", rate)
}

// A call at the end waits until every cast is handled.
func cast(j job) []figure {
	n := j.n(1_000_000)
	to := server()
	start := time.Now()
	for i := 0; i < n; i++ {
		to <- request{}
	}
	if calls(1, to) != n+1 {
		fail("cast: a request was lost")
	}
	rate := perSecond(n, start)
	close(to)
	return one("casts/s", rate)
}
