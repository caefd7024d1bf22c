package registry

import (
	"bytes"
	"io/fs"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/fairlead-cd/fairlead/internal/archive"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// unpackMark is how oras says that a layer is a directory.
const unpackMark = "io.deis.oras.content.unpack"

// maxArtifact bounds the files of an artifact, unpacked, in bytes.
const maxArtifact = 128 << 20

// part is what a layer of an artifact is.
type part struct {
	layer ocispec.Descriptor
	file  string // where it is one file; empty: it is a tar
}

// partsOf says what the layers of an artifact are: flux push artifact makes one tar, oras push a tar of each directory and a layer of each file.
func partsOf(m ocispec.Manifest) ([]part, error) {
	var out []part
	nameless := 0
	for _, l := range m.Layers {
		title := l.Annotations[ocispec.AnnotationTitle]
		tar := l.Annotations[unpackMark] == "true"
		switch {
		case l.MediaType == provenanceLayer:
			continue
		case tar:
		case title != "":
			title = strings.TrimPrefix(title, "./")
			if !fs.ValidPath(title) || title == "." {
				return nil, fault.Newf(fault.Invalid, "the layer %q has no path within the artifact", clip(title))
			}
			out = append(out, part{l, title})
			continue
		case !strings.Contains(l.MediaType, "tar"):
			return nil, fault.Newf(fault.Invalid, "a layer of type %q has no name and is no tar: push the artifact with flux push artifact, or oras push", clip(l.MediaType))
		default:
			nameless++
		}
		out = append(out, part{layer: l})
	}
	switch {
	case nameless > 1:
		return nil, fault.Newf(fault.Invalid, "it has %d layers without a name: it is an image of a container, and no artifact", nameless)
	case len(out) == 0:
		return nil, fault.Newf(fault.Invalid, "the artifact is empty: it has no layer with files")
	}
	return out, nil
}

// treeOf puts the layers of an artifact together. One without any file is an error: whoever meant that would delete everything.
func treeOf(parts []part, blobs [][]byte) (source.Tree, error) {
	var trees []*archive.Tree
	left := int64(maxArtifact)
	for i, p := range parts {
		var t *archive.Tree
		var err error
		if p.file != "" {
			t, err = archive.New(map[string]archive.File{p.file: {Data: blobs[i]}})
		} else {
			t, err = archive.Read(bytes.NewReader(blobs[i]), archive.Options{Bytes: max(left, 1), Links: true})
		}
		if err != nil {
			return nil, err
		}
		if left -= t.Bytes(); left < 0 {
			return nil, fault.Newf(fault.Invalid, "the artifact is larger than %d MiB when it is unpacked", int64(maxArtifact)>>20)
		}
		trees = append(trees, t)
	}
	all := trees[0]
	if len(trees) > 1 {
		var err error
		if all, err = archive.Overlay(trees...); err != nil {
			return nil, err
		}
	}
	if all.Files() == 0 {
		return nil, fault.Newf(fault.Invalid, "the artifact is empty: it holds no file")
	}
	return all, nil
}

// described is what an artifact says of itself: unverified, like what a commit says.
func described(m ocispec.Manifest) (source.Author, string) {
	by := source.Author{Name: m.Annotations[ocispec.AnnotationAuthors]}
	if at, err := time.Parse(time.RFC3339, m.Annotations[ocispec.AnnotationCreated]); err == nil {
		by.When = at
	}
	subject := m.Annotations[ocispec.AnnotationTitle]
	if revision := m.Annotations[ocispec.AnnotationRevision]; revision != "" {
		subject = strings.TrimSpace(subject + " made of " + revision)
	}
	return by, subject
}
