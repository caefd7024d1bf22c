package bench

import "syscall"

// memoryDir is where Linux has a file system in memory for everybody.
const memoryDir = "/dev/shm"

// free is how many bytes may be written below a directory; 0 if that cannot be told.
func free(dir string) int64 {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return 0
	}
	return int64(s.Bavail) * s.Bsize
}
