package value

// MarshalJSON returns v itself: a Value is JSON already. The absent value is null; leave it out with omitempty where the
// two must differ.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.IsAbsent() {
		return []byte(Null), nil
	}
	return []byte(v), nil
}

// UnmarshalJSON is [Parse] within the default limits.
func (v *Value) UnmarshalJSON(text []byte) error {
	parsed, err := Parse(text, Limits{})
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}
