package starter

import (
	"path"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Cluster is a cluster in which Fairlead follows a directory of a repository, itself included.
type Cluster struct {
	// Namespace is Fairlead's own.
	Namespace string
	// ClusterPath is the directory of the repository for this cluster.
	ClusterPath string
	// URL and Branch are what is followed. Secret, in the namespace, holds the credentials; empty: none are needed.
	URL, Branch, Secret string
	// Manifests are those of Fairlead itself, as `fairlead install --export` prints them.
	Manifests string
}

// Name is what the Repository and the Environment of a cluster are called.
const Name = "cluster"

// header begins the files that bootstrap writes.
const header = "# Written by 'fairlead bootstrap'."

// Header is for the template.
func (Cluster) Header() string { return header }

// Pattern is the pattern of the directories that are apps.
func (c Cluster) Pattern() string { return path.Join(c.ClusterPath, "*") }

// Dir is the directory that holds Fairlead itself.
func (c Cluster) Dir() string { return path.Join(c.ClusterPath, Self) }

// Files are the manifests of Fairlead, and what lets it follow Git. An error says what cannot be, and is of kind fault.Invalid.
func (c Cluster) Files() (manifests, cluster File, err error) {
	if err := c.check(); err != nil {
		return File{}, File{}, err
	}
	text, err := fill("cluster.yaml", c)
	manifests = File{
		Path: path.Join(c.Dir(), "install.yaml"),
		Text: header + " Run it again to upgrade: it writes this file anew. Changes of yours belong into a kustomization.yaml beside it.\n" + c.Manifests,
	}
	return manifests, File{Path: path.Join(c.Dir(), "cluster.yaml"), Text: text}, err
}

func (c Cluster) check() error {
	if err := checkName("namespace", c.Namespace, 63); err != nil {
		return err
	}
	if c.Secret != "" {
		if err := checkName("secret", c.Secret, 253); err != nil {
			return err
		}
	}
	if strings.ContainsAny(c.ClusterPath, `*?[`) {
		return fault.Newf(fault.Invalid, "cluster-path %q: it is one directory, not a pattern", c.ClusterPath)
	}
	return checkPath("cluster-path", c.ClusterPath)
}

// Change is what bootstrap does to a repository: the texts to write by their paths, and the path of what it leaves as it is.
type Change struct {
	Write map[string]string
	Kept  string
}

// Change compares the files with what the repository has; read returns the text of a file, and false if there is none. The manifests are Fairlead's to write
// anew; a file that is not, by its first line, is an error of kind fault.Invalid. What lets Fairlead follow Git is the user's once it is there.
func (c Cluster) Change(read func(path string) (string, bool, error)) (Change, error) {
	manifests, cluster, err := c.Files()
	if err != nil {
		return Change{}, err
	}
	change := Change{Write: map[string]string{}}
	text, is, err := read(manifests.Path)
	switch {
	case err != nil:
		return Change{}, err
	case is && !strings.HasPrefix(text, header):
		return Change{}, fault.Newf(fault.Invalid, "%s is there already, and is none that bootstrap wrote: remove it, or choose another --cluster-path", manifests.Path)
	case text != manifests.Text:
		change.Write[manifests.Path] = manifests.Text
	}
	text, is, err = read(cluster.Path)
	switch {
	case err != nil:
		return Change{}, err
	case !is:
		change.Write[cluster.Path] = cluster.Text
	case text != cluster.Text:
		change.Kept = cluster.Path
	}
	return change, nil
}
