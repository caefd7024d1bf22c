package sim

import "slices"

// operate does to the controller what a verb says.
func (w *world) operate(verb string) {
	switch verb {
	case "stop":
		w.stopped = true
		w.stop()
	case "start":
		w.stopped = false
		w.scale(w.replicas)
	case "twin":
		w.twin()
	case "deaf":
		w.deaf = true
		for _, p := range w.processes {
			w.around(p, Cut)
		}
	case "hear":
		w.deaf = false
		w.around(nil, Compact)
	case "thaw":
		for _, p := range w.processes {
			p.still = false
		}
		w.since = w.now
	}
}

// operateOn does what a verb says that names a number.
func (w *world) operateOn(verb string, n int) {
	switch verb {
	case "replicas":
		w.scale(n)
	case "pause":
		if n <= len(w.processes) {
			_ = w.freeze(w.processes[n-1]) // it does nothing that could fail
		}
	case "freeze":
		if n <= len(w.processes) {
			w.processes[n-1].still, w.since = true, w.now
		}
	}
}

// scale lets there be so many controllers. Those that are too many give their Lease back, the newest first.
func (w *world) scale(n int) {
	w.replicas = n
	for range n - len(w.processes) {
		w.start()
	}
	for len(w.processes) > n {
		w.leave(w.processes[len(w.processes)-1])
	}
}

// leave stops a controller as one does whose Pod is deleted.
func (w *world) leave(p *process) {
	p.still = true // nothing else is begun
	p.cancel()
	if p.replica != nil {
		p.replica.Leave()
	}
	w.crash(p)
}

// stop ends all that run.
func (w *world) stop() {
	w.twins = 0
	for _, p := range slices.Clone(w.processes) {
		w.crash(p)
	}
}

// twin starts another controller beside those that run.
func (w *world) twin() {
	w.twins++
	w.twinned = true
	w.start()
}

// untwin starts anew, as one, those that run beside each other: what the one wrote the other need not know of.
func (w *world) untwin() {
	if w.twins > 0 {
		w.stop()
	}
}
