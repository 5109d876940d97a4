//go:build !unix

package cmd_test

func limited() { panic("there is no such limit") }
