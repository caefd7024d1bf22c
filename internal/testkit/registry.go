package testkit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/registry/registrytest"
)

// cmdRegistry runs the registry of the script, which is an HTTP repository of charts as well, and fills it: registry start, registry push TAG DIR, registry oras
// TAG DIR, registry empty TAG, registry chart DIR, registry key KEY FILE, registry sign TAG KEY, registry notify TAG, registry protect [PASSWORD], registry tokens IDENTITY ACCESS, registry down|up, registry mark,
// registry asked REGEXP.
func (s *script) cmdRegistry(neg bool, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	verb, rest := args[0], args[1:]
	if s.registry == nil {
		var err error
		if s.registry, err = registrytest.Start(); err != nil {
			return err
		}
		s.tb.Cleanup(s.registry.Close)
		s.ts.Setenv("REGISTRY", s.registry.Host)
	}
	switch {
	case verb == "start" && len(rest) == 0:
		return nil
	case (verb == "push" || verb == "oras") && len(rest) == 2:
		return s.pushArtifact(verb, rest[0], rest[1])
	case verb == "empty" && len(rest) == 1:
		_, err := s.artifacts().PushFlux(s.ctx(), rest[0], nil, "")
		return err
	case verb == "notify" && len(rest) == 1:
		return s.notify(rest[0])
	case verb == "chart" && len(rest) == 1:
		return s.pushChart(rest[0])
	case verb == "key" && len(rest) == 2:
		return os.WriteFile(s.ts.MkAbs(rest[1]), s.signer(rest[0]).Public, 0o600)
	case verb == "sign" && len(rest) == 2:
		return s.signArtifact(rest[0], rest[1])
	case verb == "protect" && len(rest) <= 1:
		s.password = strings.Join(rest, "")
		s.registry.Protect(s.password)
		return nil
	case verb == "tokens" && len(rest) == 2:
		s.registry.Tokens(rest[0], rest[1])
		return nil
	case (verb == "down" || verb == "up") && len(rest) == 0:
		s.registry.Down(verb == "down")
		return nil
	case verb == "mark" && len(rest) == 0:
		s.registry.Requests()
		return nil
	case verb == "asked" && len(rest) == 1:
		return s.registryAsked(neg, rest[0])
	}
	return errUsage
}

// artifacts is the repository of the script's artifacts.
func (s *script) artifacts() registrytest.Target {
	return registrytest.Target{Address: s.registry.Host + "/shop/config", Password: s.password}
}

func (s *script) pushArtifact(verb, tag, dir string) error {
	files, err := filesOf(s.ts.MkAbs(dir))
	if err != nil {
		return err
	}
	var digest string
	if verb == "oras" {
		digest, err = s.artifacts().PushOras(s.ctx(), tag, ".", files, nil)
	} else {
		digest, err = s.artifacts().PushFlux(s.ctx(), tag, files, "main@sha1:0123456789012345678901234567890123456789")
	}
	if err == nil {
		s.ts.Setenv("DIGEST", digest)
	}
	return err
}

// notify sends what a registry sends when a tag was pushed (Docker Distribution) to the Repository "artifacts".
func (s *script) notify(tag string) error {
	w, err := s.world()
	if err != nil {
		return err
	}
	body := fmt.Sprintf(`{"events":[{"action":"push","target":{"repository":"shop/config","tag":%q}}]}`, tag)
	return Wait(s.ctx(), func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.ctl.Addr()+"/webhook/"+s.namespace+"/artifacts", strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+hookToken)
		req.Header.Set("Content-Type", "application/vnd.docker.distribution.events.v1+json")
		_, err = do(req)
		return err
	})
}

var chartField = regexp.MustCompile(`(?m)^(name|version): *"?([^"\n]+?)"? *$`)

func (s *script) pushChart(dir string) error {
	files, err := filesOf(s.ts.MkAbs(dir))
	if err != nil {
		return err
	}
	c := registrytest.Chart{Files: files}
	for _, m := range chartField.FindAllStringSubmatch(files["Chart.yaml"], -1) {
		if m[1] == "name" {
			c.Name = m[2]
		} else {
			c.Version = m[2]
		}
	}
	if c.Name == "" || c.Version == "" {
		return fmt.Errorf("%s/Chart.yaml has no name or version", dir)
	}
	s.registry.Publish(c)
	_, err = registrytest.Target{Address: s.registry.Host + "/shop/charts", Password: s.password}.PushChart(s.ctx(), c, nil)
	return err
}

// signer is the key of a name, made when it is asked for first.
func (s *script) signer(name string) registrytest.Key {
	if s.signers == nil {
		s.signers = map[string]registrytest.Key{}
	}
	k, ok := s.signers[name]
	if !ok {
		k = registrytest.NewKey()
		s.signers[name] = k
	}
	return k
}

func (s *script) signArtifact(tag, name string) error {
	at := s.artifacts()
	digest, err := at.Resolve(s.ctx(), tag)
	if err != nil {
		return err
	}
	return at.Sign(s.ctx(), s.signer(name), digest)
}

func (s *script) registryAsked(neg bool, pattern string) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	all := s.registry.Requests()
	for _, r := range all {
		if re.MatchString(r) {
			if neg {
				return fmt.Errorf("the registry was asked for %s", r)
			}
			return nil
		}
	}
	if neg {
		return nil
	}
	return fmt.Errorf("the registry was asked for %q alone", all)
}

// filesOf reads the files below a directory.
func filesOf(dir string) (map[string]string, error) {
	files := map[string]string{}
	tree := os.DirFS(dir)
	err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, p)
		files[path.Clean(p)] = string(data)
		return err
	})
	if err == nil && len(files) == 0 {
		err = errors.New("there is no file in " + dir)
	}
	return files, err
}
