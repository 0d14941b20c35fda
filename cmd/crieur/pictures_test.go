package main

import (
	"bytes"
	"context"
	"html"
	"image"
	"image/color"
	"image/jpeg"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

var mediaAddress = regexp.MustCompile(`https://crieur\.example\.org(/media/[^"\s]+)`)

// A picture that had to be made smaller for the mail is there when somebody opens the mail, and what GET gives can be PUT back.
func TestPicturesOfAMailAreServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := newChild(t, w, 1)
	maps.Copy(c.vars, map[string]string{"CRIEUR_PUBLIC_URL": "https://crieur.example.org", "CRIEUR_CHANNELS": "feed,email"})
	cmd, dead := c.start("")
	photo := image.NewRGBA(image.Rect(0, 0, 1300, 900))
	for y := range 900 {
		for x := range 1300 {
			photo.Set(x, y, color.RGBA{uint8(x * y), uint8(x ^ y), uint8(x + 3*y), 255})
		}
	}
	var data bytes.Buffer
	if err := jpeg.Encode(&data, photo, nil); err != nil {
		t.Fatal(err)
	}
	draft := numbered(1)
	draft.Images = []announce.Image{{Data: data.Bytes(), Alt: map[announce.Language]string{"fr": "Une photo"}}}
	ctx := context.Background()
	a, _, err := c.client.Submit(ctx, draft, "")
	if err != nil {
		t.Fatal(err)
	}
	c.until("the mail is there", ample, func() bool { return len(w.Platform("email").Posts()) == 1 })
	mail := html.UnescapeString(w.Platform("email").Posts()[0].HTML)
	found := mediaAddress.FindStringSubmatch(mail)
	if found == nil {
		t.Fatalf("no picture in\n%s", mail)
	}
	r, err := visitor.Get(c.url + found[1])
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "image/") || !strings.Contains(r.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %d %v", found[1], r.StatusCode, r.Header)
	}
	st, err := c.client.Status(ctx, a.ID)
	if err != nil || len(st.Announcement.Images) != 1 || len(st.Announcement.Images[0].Data) > 0 || st.Announcement.Images[0].URL == "" {
		t.Fatalf("%v %+v", err, st.Announcement.Images)
	}
	again, err := c.client.Amend(ctx, a.ID, 1, st.Announcement)
	if err != nil || again.Rev != 2 {
		t.Fatalf("%v %+v", err, again)
	}
	if next, err := c.client.Status(ctx, a.ID); err != nil || next.Announcement.Images[0].URL != st.Announcement.Images[0].URL {
		t.Errorf("%v %+v", err, next.Announcement.Images)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-dead
}
