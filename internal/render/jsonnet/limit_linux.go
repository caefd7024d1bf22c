package jsonnet

import (
	"os"
	"syscall"
	"time"
)

// limit has the kernel hold this process to its limits. What the kernel does not do here, the parent and the watch over memory do.
func limit(l Limits) {
	seconds := uint64((l.Computing + time.Second - 1) / time.Second)
	for resource, n := range map[int]uint64{
		syscall.RLIMIT_CPU:   seconds,
		syscall.RLIMIT_DATA:  uint64(l.Memory)*2 + 128<<20, // what the runtime maps and does not use counts as well
		syscall.RLIMIT_FSIZE: 0,
		syscall.RLIMIT_CORE:  0,
	} {
		_ = syscall.Setrlimit(resource, &syscall.Rlimit{Cur: n, Max: n})
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 10)
	// If the machine has no memory left, it is this process that goes.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
}
