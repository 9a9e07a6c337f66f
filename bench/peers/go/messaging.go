package main

import (
	"runtime"
	"sync"
	"time"
)

func pingpong(j job) []figure { return one("rt/s", roundTrips(j.n(1_000_000), 0, false)) }

// Both goroutines own their thread, so that each message is a hand-over between threads.
func pingpongCross(j job) []figure {
	if j.workers < 2 {
		fail("pingpong_cross needs two workers")
	}
	var rate float64
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		rate = roundTrips(j.n(200_000), 1, true)
		close(done)
	}()
	<-done
	return one("rt/s", rate)
}

func roundTrips(n, buffer int, ownThread bool) float64 {
	there, back := make(chan int, buffer), make(chan int, buffer)
	go func() {
		if ownThread {
			runtime.LockOSThread()
		}
		for x := range there {
			back <- x
		}
	}()
	start := time.Now()
	for i := 0; i < n; i++ {
		there <- i
		<-back
	}
	rate := perSecond(n, start)
	close(there)
	return rate
}

// A number goes round 1,000 goroutines, one less at each.
func ring(j job) []figure {
	hops := j.n(1_000_000)
	arrived := make(chan struct{})
	first := make(chan int, 1)
	pass := func(in <-chan int, out chan int) {
		for left := range in {
			if left == 0 {
				arrived <- struct{}{}
			} else {
				out <- left - 1
			}
		}
		if out != first {
			close(out)
		}
	}
	next := first
	for i := 1; i < 1000; i++ {
		in := make(chan int, 1)
		go pass(in, next)
		next = in
	}
	go pass(first, next)
	start := time.Now()
	first <- hops
	<-arrived
	rate := perSecond(hops, start)
	close(first)
	return one("hops/s", rate)
}

// 16 senders, each 100,000 messages, one receiver; 1,024 places in the channel.
func manyToOne(j job) []figure {
	each := j.n(100_000)
	inbox := make(chan int, 1024)
	done := make(chan struct{})
	go func() {
		for i := 0; i < 16*each; i++ {
			<-inbox
		}
		close(done)
	}()
	start := time.Now()
	for s := 0; s < 16; s++ {
		go func() {
			for i := 0; i < each; i++ {
				inbox <- i
			}
		}()
	}
	<-done
	return one("msgs/s", perSecond(16*each, start))
}

// One sender, 10,000 receivers, 100 rounds over all of them.
func oneToMany(j job) []figure {
	const receivers = 10_000
	rounds := j.n(100)
	var all sync.WaitGroup
	all.Add(receivers)
	inboxes := make([]chan int, receivers)
	for i := range inboxes {
		inbox := make(chan int, 100)
		inboxes[i] = inbox
		go func() {
			for r := 0; r < rounds; r++ {
				<-inbox
			}
			all.Done()
		}()
	}
	start := time.Now()
	for r := 0; r < rounds; r++ {
		for _, inbox := range inboxes {
			inbox <- r
		}
	}
	all.Wait()
	return one("msgs/s", perSecond(receivers*rounds, start))
}
