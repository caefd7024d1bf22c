package pace

import "time"

// How went a request?
type How uint8

// The ways in which a request ends.
const (
	// Served is any answer but those below.
	Served How = iota
	// Typical is an answer to the kind of request that most are: how long those take tells how busy the server is.
	Typical
	// Refused says that the server had too much to do: it said so, or did not answer in time.
	Refused
)

const (
	// fewest and most bound the limit, start is where it begins.
	fewest = 4
	most   = 64
	start  = 16
	// strained is how many times longer than at its best a server takes when more at once would only make a queue of its own.
	strained = 10
)

// limit is how many requests may be under way, and what it was learned from. The zero limit has learned nothing. It is a value: after returns the next one.
type limit struct {
	now    float64
	best   time.Duration // of late; it is forgotten slowly
	usual  time.Duration // the average of the last few dozen
	shrunk int           // requests still to end before another refusal counts: they were let in before the last did
}

func (l limit) many() int {
	if l.now == 0 {
		return start
	}
	return int(l.now)
}

// after is the limit after a request that ended in some way, while others waited or did not.
func (l limit) after(how How, took time.Duration, waiting bool) limit {
	if l.now == 0 {
		l.now = start
	}
	if l.shrunk > 0 {
		l.shrunk--
	}
	if how == Refused {
		if l.shrunk == 0 {
			l.now = max(l.now*0.7, fewest)
			l.shrunk = l.many()
		}
		return l
	}
	if how == Typical {
		l = l.learn(took)
	}
	switch {
	case how == Typical && l.usual > strained*l.best && l.now > start/2:
		l.now -= 1 / l.now
	case waiting:
		l.now = min(l.now+1/l.now, most)
	}
	return l
}

// learn takes in how long a typical request took.
func (l limit) learn(took time.Duration) limit {
	if l.usual == 0 {
		l.usual, l.best = took, took
	}
	l.usual += (took - l.usual) / 32
	l.best = min(l.best+l.best/8192, took)
	return l
}
