package git

// WaitForTidy waits for what runs in the background.
func (m *Mirror) WaitForTidy() { m.work.Wait() }
