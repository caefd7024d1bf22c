package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completeApps completes the names of apps, for what completes words in a shell.
func (t *target) completeApps(w IO) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
		defer cancel()
		namespace, err := t.place(w)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := t.connect(w)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		f, err := read(ctx, c, namespace)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for i := range f.apps {
			if name := appName(&f.apps[i]); strings.HasPrefix(name, begun) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
	}
}
