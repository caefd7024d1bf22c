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
		w.start()
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
	}
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
