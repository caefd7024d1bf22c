package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead-cd/fairlead/internal/kin/gather"
)

// completionTime is how long a shell may wait for names.
const completionTime = 2 * time.Second

// complete makes a command complete its arguments with the names of what is there, and its flags that choose a cluster or a namespace. What cannot be asked in
// time completes to nothing.
func (t *target) complete(cmd *cobra.Command, w IO, k kinds) {
	cmd.ValidArgsFunction = t.live(func(ctx context.Context, _ []string, _ string) []string { return t.liveNames(ctx, w, k) })
	t.completeFlags(cmd, w)
}

// completeFlags completes --namespace and --context.
func (t *target) completeFlags(cmd *cobra.Command, w IO) {
	for name, find := range map[string]func(context.Context) []string{
		"namespace": func(ctx context.Context) []string { return t.liveNamespaces(ctx, w) },
		"context":   func(context.Context) []string { return t.contexts(w) },
	} {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, t.live(func(ctx context.Context, _ []string, _ string) []string { return find(ctx) }))
		}
	}
}

// live makes a completion of names that are asked for, in bounded time.
func (t *target) live(find func(ctx context.Context, args []string, prefix string) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, cancel := context.WithTimeout(ctx, completionTime)
		defer cancel()
		names := keep(find(ctx, args, prefix), func(name string) bool { return strings.HasPrefix(name, prefix) && !slices.Contains(args, name) })
		slices.Sort(names)
		return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
	}
}

// fleetNow reads the fleet for a completion; nil if it cannot be read.
func (t *target) fleetNow(ctx context.Context, w IO) *fleet {
	namespace, err := t.place(w)
	if err != nil {
		return nil
	}
	c, err := t.connect(w)
	if err != nil {
		return nil
	}
	f, err := read(ctx, c, namespace)
	if err != nil {
		return nil
	}
	return f
}

func (t *target) liveNames(ctx context.Context, w IO, k kinds) []string {
	f := t.fleetNow(ctx, w)
	if f == nil {
		return nil
	}
	var names []string
	for i := range f.envs {
		if k.envs {
			names = append(names, f.envs[i].Name)
		}
	}
	for i := range f.apps {
		if k.apps {
			names = append(names, appName(&f.apps[i]))
		}
	}
	for i := range f.repos {
		if k.repos {
			names = append(names, f.repos[i].Name)
		}
	}
	return names
}

func (t *target) liveNamespaces(ctx context.Context, w IO) []string {
	config, err := t.config(w)
	if err != nil {
		return nil
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil
	}
	list, err := c.CoreV1().Namespaces().List(ctx, metav1.ListOptions{Limit: 500})
	if err != nil {
		return nil
	}
	var names []string
	for _, n := range list.Items {
		if n.Status.Phase != corev1.NamespaceTerminating {
			names = append(names, n.Name)
		}
	}
	return names
}

func (t *target) contexts(w IO) []string {
	raw, err := t.loader(w).RawConfig()
	if err != nil {
		return nil
	}
	var names []string
	for name := range raw.Contexts {
		names = append(names, name)
	}
	return names
}

// liveObjects completes KIND/NAME: kinds first, then the names of one.
func (t *target) liveObjects(ctx context.Context, w IO, prefix string) []string {
	config, err := t.config(w)
	if err != nil {
		return nil
	}
	c, err := gather.Open(config)
	if err != nil {
		return nil
	}
	kind, _, named := strings.Cut(prefix, "/")
	if !named {
		all, err := c.Kinds()
		if err != nil {
			return nil
		}
		var names []string
		for _, k := range all {
			names = append(names, strings.ToLower(k.Kind)+"/")
		}
		return names
	}
	namespace, err := t.place(w)
	if err != nil {
		return nil
	}
	k, err := c.Kind(kind)
	if err != nil {
		return nil
	}
	found, err := c.Names(ctx, k, namespace)
	if err != nil {
		return nil
	}
	for i := range found {
		found[i] = kind + "/" + found[i]
	}
	return found
}
