package main

import (
	"bytes"
	"os"
	"testing"
)

// TestEnvExample: deploy/env.example is what `crieur env` prints.
func TestEnvExample(t *testing.T) {
	const path = "../../deploy/env.example"
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := writeEnv(&got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s is not what the program reads; write it anew: make golden", path)
	}
}
