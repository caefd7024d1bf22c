// Package child runs programs that do not outlive this one, however it ends.
//
//	runtime.LockOSThread() // the kernel ends a child with the thread that started it
//	p, err := child.Start(child.Command{Name: "the controller", Program: path, Args: args, Log: log, Died: cancel})
//	…
//	p.Stop()
//
// What a program left behind outside of itself is for an [Heir]: it lives on until it has cleaned up, even after kill -9.
//
// It never starts a program again.
package child
