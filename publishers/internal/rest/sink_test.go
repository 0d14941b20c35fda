package rest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

func TestALongAnswerGoesToTheSink(t *testing.T) {
	long := strings.Repeat("é", maxBody)
	cut, status := false, http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if _, err := io.WriteString(w, long); err != nil || cut {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(s.Close)
	c := client(t, s.URL)
	var sink bytes.Buffer
	res, err := c.Do(t.Context(), Call{Method: http.MethodGet, Path: "/x", Sink: &sink})
	if err != nil || sink.String() != long || len(res.Body) != 0 {
		t.Errorf("%d bytes in the sink, %d in the answer: %v", sink.Len(), len(res.Body), err)
	}
	cut = true
	if _, err := c.Do(t.Context(), Call{Method: http.MethodGet, Path: "/x", Sink: io.Discard}); outcome(t, err).Outcome != announce.Temporary {
		t.Errorf("a cut answer: %v", err)
	}
	cut, status, long = false, http.StatusForbidden, "no"
	sink.Reset()
	if _, err := c.Do(t.Context(), Call{Method: http.MethodGet, Path: "/x", Sink: &sink}); outcome(t, err).Outcome != announce.Permanent || sink.Len() != 0 {
		t.Errorf("a refusal: %v, %q in the sink", err, sink.String())
	}
}
