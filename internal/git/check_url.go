package git

// CheckURL reports, as an error of kind fault.Invalid, that an address is none that can be read from: https, http, ssh or user@host:path, without credentials.
func CheckURL(url string) error {
	_, err := parseURL(url)
	return err
}
