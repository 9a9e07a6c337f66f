// Goroutines and channels: ROW [--workers N] [--reps R] [--ops N], or list.
// One line a figure: row, median, unit, min, max, number of repetitions, separated by tabs.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	rows := []row{
		{"pingpong", rate, pingpong}, {"pingpong_cross", rate, pingpongCross}, {"ring", rate, ring},
		{"many_to_one", rate, manyToOne}, {"one_to_many", rate, oneToMany},
		{"spawn_exit", rate, spawnExit}, {"monitor_down", rate, monitorDown}, {"link_exit", rate, linkExit},
		{"spawn_live_mem", once, spawnLiveMem},
		{"call", rate, call}, {"call_par_64x1", rate, callPar64x1}, {"call_par_64x64", rate, callPar64x64},
		{"cast", rate, cast},
		{"timer_start_cancel", rate, timerStartCancel}, {"timers_1m", once, timers1m},
		{"latency_idle_paced", plain, latencyIdlePaced}, {"latency_load_paced", plain, latencyLoadPaced},
		{"latency_load_paced_work200us", plain, latencyLoadPacedWork},
		{"startup", plain, startup},
	}
	if len(os.Args) < 2 {
		fail("usage: go-peer ROW [--workers N] [--reps R] [--ops N] | list")
	}
	name, j := os.Args[1], arguments(os.Args[2:])
	runtime.GOMAXPROCS(j.workers)
	switch name {
	case "list":
		for _, r := range rows {
			fmt.Println(r.name)
		}
		return
	case startupOnce:
		firstGoroutine()
		return
	}
	for _, r := range rows {
		if r.name == name {
			runRow(r, j)
			return
		}
	}
	fail("no row " + name)
}
