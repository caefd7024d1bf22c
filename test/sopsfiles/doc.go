// Command sopsfiles writes the files that internal/secret/sops is tested with: encrypted by the library of SOPS itself, with keys that are made for it.
//
//	cd test/sopsfiles && go run . write ../../internal/secret/sops/testdata/real
//	cd test/sopsfiles && go run . open ../../internal/secret/sops/testdata/ours
//
// The second opens, with that library, what Fairlead encrypted. It is a module of its own: SOPS links the libraries of every cloud, and nothing of them is to
// be a dependency of Fairlead.
package main
