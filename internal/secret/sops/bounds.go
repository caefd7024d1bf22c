package sops

// Bounds of one file. Each is far above what SOPS writes for people.
const (
	maxBytes      = 16 << 20 // of a file
	maxDepth      = 256
	maxDocuments  = 10_000
	maxRecipients = 200      // of a file, over all groups
	maxEncrypted  = 16 << 10 // of one encrypted data key; a hybrid age key takes 3 KiB
	maxPattern    = 4 << 10  // of a regular expression
	maxTries      = 16       // how many encrypted data keys are tried in vain: each costs an operation of a private key
)

// maxKeys bounds the keys that are tried.
const maxKeys = 100
