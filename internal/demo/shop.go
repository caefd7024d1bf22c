package demo

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed shop
var shop embed.FS

//go:embed tenant/*.yaml
var tenant embed.FS

// The shop's services and where they run. The directories of the sample say the same; a test holds them to it.
var (
	services     = []string{"web", "api", "catalog", "cart", "mail"}
	environments = []string{"staging", "production-eu", "production-us"}
)

// Namespaces that the demo makes: the tenant's, Fairlead's own, and one for each environment.
const (
	tenantNamespace = "shop"
	ownNamespace    = "fairlead-system"
)

func placeOf(environment string) string { return "shop-" + environment }

func namespaces() []string {
	all := []string{ownNamespace, tenantNamespace}
	for _, e := range environments {
		all = append(all, placeOf(e))
	}
	return all
}

// shopFiles are the files of the sample repository, by path.
func shopFiles() (map[string]string, error) {
	files := map[string]string{}
	root, err := fs.Sub(shop, "shop")
	if err != nil {
		return nil, err
	}
	err = fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, path)
		files[path] = string(data)
		return err
	})
	return files, err
}

// manifest is one of the tenant's manifests, filled in.
func manifest(name string, fill ...string) (string, error) {
	data, err := fs.ReadFile(tenant, "tenant/"+name)
	return strings.NewReplacer(fill...).Replace(strings.TrimSuffix(string(data), "\n")), err
}
