package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead-cd/fairlead/internal/kin"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// logsOptions are the flags of logs.
type logsOptions struct {
	target
	name      string
	container string
	since     time.Duration
	tail      int64
	follow    bool
	previous  bool
}

func logsCommand(w IO) *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use:   "logs APP",
		Short: "Print the logs of all pods of an app",
		Long: `Prints the logs of all containers of all pods of an app, each line after the name of its pod and container. Init
containers are left out, unless --container names one. With --follow, pods that come are followed too.

A log that cannot be read is told on the error output; the exit code is 1 if none could be read.

` + namesHelp,
		Example: `  fairlead logs production/web -n shop --since 10m
  fairlead logs production/web --container web --follow
  fairlead logs production/web --previous --tail 50`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run(cmd.Context(), w)
		},
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	f := cmd.Flags()
	f.StringVarP(&o.container, "container", "c", "", "the containers of this name alone")
	f.DurationVar(&o.since, "since", 0, "lines that are not older than this, such as 10m (default: all)")
	f.Int64Var(&o.tail, "tail", -1, "the last lines of each container; -1 prints all")
	f.BoolVarP(&o.follow, "follow", "f", false, "go on printing what is written, until Ctrl-C")
	f.BoolVarP(&o.previous, "previous", "p", false, "the logs of containers before their last restart")
	o.complete(cmd, w, kinds{apps: true})
	return cmd
}

func (o *logsOptions) run(ctx context.Context, w IO) error {
	if o.follow && o.previous {
		return usagef("--follow and --previous cannot both be meant: what has ended writes nothing")
	}
	s, err := o.open(w)
	if err != nil {
		return err
	}
	config, err := o.config(w)
	if err != nil {
		return err
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	p := &printer{w: w, begun: map[stream]bool{}, said: map[stream]string{}, open: func(ctx context.Context, x stream) (io.ReadCloser, error) {
		return kube.CoreV1().Pods(x.namespace).GetLogs(x.pod, o.options(x)).Stream(ctx)
	}}
	look := func() ([]stream, error) { return o.look(ctx, s) }
	if o.follow {
		return p.follow(ctx, look)
	}
	all, err := look()
	if err != nil {
		return err
	}
	return p.print(ctx, all)
}

func (o *logsOptions) options(x stream) *corev1.PodLogOptions {
	options := &corev1.PodLogOptions{Container: x.container, Follow: o.follow, Previous: o.previous}
	if o.since > 0 {
		seconds := max(int64(o.since.Seconds()), 1)
		options.SinceSeconds = &seconds
	}
	if o.tail >= 0 {
		options.TailLines = &o.tail
	}
	return options
}

// look finds the containers of the app's pods.
func (o *logsOptions) look(ctx context.Context, s *sight) ([]stream, error) {
	f, err := read(ctx, s.ours, s.namespace)
	if err != nil {
		return nil, err
	}
	named, err := f.find(o.name, kinds{apps: true})
	if err != nil {
		return nil, err
	}
	all, found, err := s.grow(ctx, f, named.apps, false)
	if err != nil {
		return nil, err
	}
	var streams []stream
	for _, g := range all {
		for _, n := range kin.All(g.nodes) {
			if n.Object.Key().GroupKind() == (object.GroupKind{Kind: "Pod"}) {
				streams = append(streams, streamsOf(n.Object, o.container)...)
			}
		}
	}
	switch note := hidden(all, found); {
	case len(streams) > 0 || o.follow && o.container == "":
		return streams, nil
	case note != "":
		return nil, fmt.Errorf("app %s: no container is seen: %s", o.name, note)
	case o.container != "":
		return nil, fmt.Errorf("app %s runs no container %q", o.name, o.container)
	}
	return nil, fmt.Errorf("app %s runs no pod now", o.name)
}

// stream is one container of one pod.
type stream struct{ namespace, pod, uid, container string }

// streamsOf are the containers of a pod, or those of one name, init containers included.
func streamsOf(pod object.Object, only string) []stream {
	var out []stream
	for _, field := range []string{"initContainers", "containers"} {
		list, _ := pod.At("spec", field).([]any)
		for _, item := range list {
			m, _ := item.(map[string]any)
			name, _ := m["name"].(string)
			if name == only || only == "" && field == "containers" {
				out = append(out, stream{pod.Namespace(), pod.Name(), pod.UID(), name})
			}
		}
	}
	return out
}

// printer prints streams, line by line.
type printer struct {
	w     IO
	open  func(context.Context, stream) (io.ReadCloser, error)
	mu    sync.Mutex
	begun map[stream]bool   // is being followed, or has ended
	said  map[stream]string // why it could not be read
}

// print prints one stream after the other.
func (p *printer) print(ctx context.Context, all []stream) error {
	var read int
	for _, x := range all {
		if err := p.copy(ctx, x); err != nil {
			p.complain(x, err)
			continue
		}
		read++
	}
	if read == 0 {
		return outcome{code: codeFailed, err: errors.New("no log can be read"), said: true}
	}
	return nil
}

// follow prints all streams as they are written, and those that come, until ctx ends.
func (p *printer) follow(ctx context.Context, look func() ([]stream, error)) error {
	var group sync.WaitGroup
	defer group.Wait()
	for first := true; ; first = false {
		all, err := look()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && first {
			return err
		}
		for _, x := range all {
			if !p.begin(x) {
				continue
			}
			group.Go(func() {
				if err := p.copy(ctx, x); err != nil && ctx.Err() == nil {
					p.complain(x, err)
				}
			})
		}
		if pause(ctx, nil) != nil {
			return nil
		}
	}
}

// begin reports whether a stream is not followed yet, and notes that it is now.
func (p *printer) begin(x stream) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.begun[x]
	p.begun[x] = true
	return !was
}

// complain tells why a stream cannot be read, once, and lets it be tried again: a container may not have started yet.
func (p *printer) complain(x stream, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.begun, x)
	if p.said[x] == err.Error() {
		return
	}
	p.said[x] = err.Error()
	_, _ = fmt.Fprintf(p.w.Err, "%s/%s: %v\n", x.pod, x.container, err)
}

// copy prints one stream, each line whole.
func (p *printer) copy(ctx context.Context, x stream) error {
	in, err := p.open(ctx, x)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	for lines := bufio.NewReader(in); ; {
		line, err := lines.ReadString('\n')
		if line != "" {
			if line[len(line)-1] != '\n' {
				line += "\n"
			}
			p.mu.Lock()
			_, wrong := fmt.Fprintf(p.w.Out, "%s/%s %s", x.pod, x.container, line)
			p.mu.Unlock()
			if wrong != nil {
				return wrong
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
