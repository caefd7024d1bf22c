package history

// Intent is something that is about to be done. It is noted before that, so that who comes after a process that died in between can find out whether it was.
type Intent struct {
	// Record is what is told if it was done. Its Key identifies the intent.
	Record Record `json:"record"`
	// Proof is what tells afterwards whether it was done, in words of whoever intends it. No value of an object is in it.
	Proof string `json:"proof,omitempty"`
}

// Notebook keeps what is about to be done until it is known whether it was. It may be used by several goroutines.
type Notebook interface {
	// Intend notes something before it is done. An error says that it is not noted: it is done all the same, and is not on record if the process dies just then.
	Intend(Intent) error
	// Withdraw says that nothing was done. That it was done is said by the Record with the same Key.
	Withdraw(key string)
	// Intended are the intents of the process before this one of which it is not known what became of them. Each is returned until it is withdrawn or recorded.
	Intended() []Intent
}

// Intend keeps nothing.
func (Nowhere) Intend(Intent) error { return nil }

// Withdraw keeps nothing.
func (Nowhere) Withdraw(string) {}

// Intended is nothing.
func (Nowhere) Intended() []Intent { return nil }
