package cli

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/discover"
	"github.com/fairlead-cd/fairlead/internal/localtree"
	"github.com/fairlead-cd/fairlead/internal/starter"
	"github.com/fairlead-cd/fairlead/internal/survey"
)

// taken says that the environment, or another one of its namespace, is written in another file already.
func (o *initOptions) taken(tree *localtree.Tree, file starter.File) error {
	all, err := survey.Environments(tree)
	if err != nil {
		return err
	}
	for _, e := range all {
		switch {
		case e.File == file.Path || e.Namespace != o.Namespace:
		case e.Name == o.Name:
			return fmt.Errorf("%s has an Environment %s in namespace %s already: change it there, or choose another name", e.File, e.Name, e.Namespace)
		default: // the namespace, and who applies, would be in two files
			return fmt.Errorf("namespace %s has an environment already, %s in %s: add to that file, or choose another one with --namespace", e.Namespace, e.Name, e.File)
		}
	}
	return nil
}

// explain says what was written and what it means, and what is next.
func (o *initOptions) explain(w IO, root string, found discover.Result, written, files []starter.File) error {
	var b strings.Builder
	for _, f := range files {
		if slices.Contains(written, f) {
			fmt.Fprintf(&b, "wrote %s\n", f.Path)
		} else {
			fmt.Fprintf(&b, "%s is there already, word for word\n", f.Path)
		}
		if f == files[0] {
			o.objects(&b)
		} else {
			fmt.Fprintf(&b, "  %s\n", "a first app, since no directory matched "+o.Apps+": a ConfigMap that says hello")
		}
	}
	o.listed(&b, found)
	o.next(&b, root, files)
	_, err := fmt.Fprint(w.Out, b.String())
	return err
}

func (o *initOptions) objects(b *strings.Builder) {
	repo := o.URL + ", asked every minute"
	if o.Secret != "" {
		repo += ", with the credentials in Secret " + o.Secret
	}
	for _, line := range [][2]string{
		{"Namespace " + o.Namespace, "where the environment and its apps are"},
		{"ServiceAccount deployer", "applies the apps: what it may do is all that they can do"},
		{"RoleBinding deployer", "lets it do what the ClusterRole admin allows, in that namespace alone"},
		{"Repository " + o.Repository, repo},
		{"Environment " + o.Name, "each directory that matches " + o.Apps + " of branch " + o.Branch + " is an app"},
	} {
		fmt.Fprintf(b, "  %-26s %s\n", line[0], line[1])
	}
}

// listed names what is an app now.
func (o *initOptions) listed(b *strings.Builder, found discover.Result) {
	var names []string
	for _, f := range found.Found {
		names = append(names, f.Name)
	}
	if len(names) == 0 {
		fmt.Fprintf(b, "No directory matches %s yet: make one, and it is an app.\n", o.Apps)
	} else {
		fmt.Fprintf(b, "%s: %s.\n", plural(len(names), "app"), clipList(names))
	}
	for _, p := range found.Problems {
		fmt.Fprintf(b, "No app: %s.\n", p)
	}
}

// next are the commands that make it run.
func (o *initOptions) next(b *strings.Builder, root string, files []starter.File) {
	at := func(p string) string {
		here, err := os.Getwd()
		if err != nil {
			return p
		}
		if rel, err := filepath.Rel(resolve(here), filepath.Join(root, filepath.FromSlash(p))); err == nil && !strings.Contains(rel, " ") {
			return rel
		}
		return p
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, at(f.Path))
	}
	b.WriteString("\nNext:\n")
	fmt.Fprintf(b, "  git add %s && git commit -m 'Environment %s' && git push\n", strings.Join(paths, " "), o.Name)
	fmt.Fprintf(b, "  kubectl apply -f %s\n", paths[0])
	switch {
	case o.Secret != "" && !strings.HasPrefix(o.URL, "http"):
		fmt.Fprintf(b, "  kubectl -n %s create secret generic %s --from-file=identity=PRIVATE_KEY --from-file=known_hosts=KNOWN_HOSTS\n", o.Namespace, o.Secret)
	case o.Secret != "":
		fmt.Fprintf(b, "  kubectl -n %s create secret generic %s --from-literal=username=USER --from-literal=password=TOKEN\n", o.Namespace, o.Secret)
	}
	fmt.Fprintf(b, "  fairlead status %s -n %s --wait\n", o.Name, o.Namespace)
	fmt.Fprintf(b, "The cluster needs Fairlead before that: 'fairlead install'. In one that 'fairlead bootstrap' set up with --cluster-path %s the push is enough:\n"+
		"'fairlead sync cluster -n fairlead-system --wait', in the place of kubectl apply, asks Git at once.\n", o.ClusterPath)
	if u, err := url.Parse(o.URL); err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()) {
		fmt.Fprintf(b, "%s is this machine: a controller in a Pod does not find Git there, one that runs here does.\n", u.Hostname())
	}
	if o.Secret == "" {
		b.WriteString("If the repository is private, say so with --secret NAME.\n")
	}
}
