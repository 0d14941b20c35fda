package slacktest

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const png = "\x89PNG\r\n\x1a\n"

// send puts bytes at the address that an upload was given.
func send(t *testing.T, p *Platform, method, address, media, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", media)
	res, err := p.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

// bring uploads bytes as a file and returns its name.
func bring(t *testing.T, p *Platform, data string) string {
	t.Helper()
	a := call(t, p, "files.getUploadURLExternal", url.Values{"filename": {"a.png"}, "length": {fmt.Sprint(len(data))}})
	if status, word := send(t, p, "POST", a["upload_url"].(string), "application/octet-stream", data); status != 200 || word != fmt.Sprintf("OK - %d", len(data)) {
		t.Fatalf("%d %s", status, word)
	}
	id := a["file_id"].(string)
	if a := call(t, p, "files.completeUploadExternal", url.Values{"files": {`[{"id":"` + id + `","title":"t"}]`}}); a["ok"] != true {
		t.Fatal(a)
	}
	return id
}

func show(id string) string {
	return `[{"type":"image","slack_file":{"id":"` + id + `"},"alt_text":"x"}]`
}

func TestFilesAreHeldToTheRules(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	place := func(filename, length, alt string) url.Values {
		return url.Values{"filename": {filename}, "length": {length}, "alt_txt": {alt}}
	}
	begun := call(t, p, "files.getUploadURLExternal", place("a.png", "8", strings.Repeat("é", 1000)))
	id, address := begun["file_id"].(string), begun["upload_url"].(string)
	files := func(id string) url.Values { return url.Values{"files": {`[{"id":"` + id + `"}]`}} }
	p.files["F0OTHERTEAM"] = &file{id: "F0OTHERTEAM", team: "T0OTHER", data: []byte(png), complete: true}
	for _, x := range []struct {
		method string
		form   url.Values
		want   string
	}{
		{"files.getUploadURLExternal", place("", "8", ""), "missing_argument"},
		{"files.getUploadURLExternal", place("a.png", "", ""), "missing_argument"},
		{"files.getUploadURLExternal", place("a.png", "0", ""), "missing_argument"},
		{"files.getUploadURLExternal", place("a.png", "-1", ""), "invalid_arguments"},
		{"files.getUploadURLExternal", place("a.png", "many", ""), "invalid_arguments"},
		{"files.getUploadURLExternal", place("a.png", fmt.Sprint(mostFile+1), ""), "file_upload_size_restricted"},
		{"files.getUploadURLExternal", place("a.png", "8", strings.Repeat("é", 1001)), "alt_txt_too_large"},
		{"files.completeUploadExternal", url.Values{}, "invalid_arguments"},
		{"files.completeUploadExternal", url.Values{"files": {"[]"}}, "invalid_arguments"},
		{"files.completeUploadExternal", files("F0CRIEUR999"), "file_not_found"},
		{"files.completeUploadExternal", files("F0OTHERTEAM"), "file_not_found"},
		{"files.completeUploadExternal", files(id), "file_not_found"}, // its bytes are missing
		{"files.info", url.Values{"file": {id}}, "file_not_found"},
		{"files.info", url.Values{"file": {"F0OTHERTEAM"}}, "file_not_found"},
	} {
		if got, _ := call(t, p, x.method, x.form)["error"].(string); got != x.want {
			t.Errorf("%s %.80v: %q, want %q", x.method, x.form, got, x.want)
		}
	}
	form := func(field string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + field + "\"; filename=\"a.png\"\r\n\r\n" + png + "\r\n"
	}
	for _, x := range []struct {
		method, address, media, body string
		status                       int
	}{
		{"GET", address, "", "", 405},
		{"POST", address + "9", "image/png", png, 404},
		{"POST", address, "image/png", png + "x", 400},
		{"POST", address, "multipart/form-data; boundary=b", form("file") + form("other") + "--b--\r\n", 400},
		{"POST", address, "multipart/form-data; boundary=b", form("file") + "--b--\r\n", 200},
		{"POST", address, "image/png", png, 400}, // once
	} {
		if status, word := send(t, p, x.method, x.address, x.media, x.body); status != x.status {
			t.Errorf("%s %s %q: %d %s", x.method, x.address, x.body, status, word)
		}
	}
	for _, id := range []string{id, "F0OTHERTEAM", "F0CRIEUR999", "f0", ""} {
		if a := post(t, p, show(id)); a["error"] != "invalid_blocks" {
			t.Errorf("%q is shown before it is complete, or at all: %v", id, a)
		}
	}
	if a := call(t, p, "files.completeUploadExternal", files(id)); a["ok"] != true {
		t.Fatal(a)
	}
	if a := call(t, p, "files.completeUploadExternal", files(id)); a["error"] != "file_not_found" {
		t.Errorf("completed twice: %v", a)
	}
	if n := len(p.Posts()); n != 0 {
		t.Errorf("an upload that names no channel is %d posts", n)
	}
}

func TestFilesInMessages(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	id := bring(t, p, png)
	if a := post(t, p, show(id)); a["ok"] != true {
		t.Fatal(a)
	}
	if got := p.Posts()[0]; !strings.Contains(got.HTML, `src="data:image/png;base64,iVBORw0KGgo="`) || got.Images[0].URL != "data:image/png;base64,iVBORw0KGgo=" {
		t.Errorf("%+v", got)
	}
	for blocks, why := range map[string]string{
		show(bring(t, p, "RIFF\x00\x00\x00\x00WEBPVP8 ")): "invalid slack file",
		show("F0CRIEUR999"): "invalid slack file",
		show("file"):        "input must match regex pattern: ^[F][A-Z0-9]{8,}$",
		`[{"type":"image","slack_file":{"id":"` + id + `"},"image_url":"https://example.org/a.png","alt_text":"x"}]`: "exactly one",
		`[{"type":"image","slack_file":{"id":"` + id + `","url":"x"},"alt_text":"x"}]`:                               "exactly one",
		`[{"type":"image","alt_text":"x"}]`: "exactly one",
	} {
		if a := post(t, p, blocks); a["error"] != "invalid_blocks" || !strings.Contains(fmt.Sprint(a["errors"]), why) {
			t.Errorf("%s: %v", blocks, a)
		}
	}
	if status, word := send(t, p, "POST", p.Webhook(), "application/json", `{"blocks":`+show(id)+`}`); status != 400 || word != "invalid_blocks" {
		t.Errorf("a webhook shows a file of the app: %d %s", status, word)
	}
	p.Change(func(w *Workspace) { w.Unseen = true })
	if a := post(t, p, `[{"type":"image","image_url":"https://example.org/a.png","alt_text":"x"}]`); !strings.Contains(fmt.Sprint(a["errors"]), "downloading image failed [json-pointer:/blocks/0/image_url]") {
		t.Error(a)
	}
}

// A file can be shown once Slack has looked into it, which its type tells.
func TestFilesAreLookedInto(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	p.Change(func(w *Workspace) { w.Slow = 2 })
	id := bring(t, p, png)
	for _, want := range []string{"", "image/png"} {
		if a := post(t, p, show(id)); a["error"] != "invalid_blocks" {
			t.Errorf("shown too early: %v", a)
		}
		if a := call(t, p, "files.info", url.Values{"file": {id}}); a["file"].(map[string]any)["mimetype"] != want {
			t.Errorf("want %q: %v", want, a)
		}
	}
	if a := post(t, p, show(id)); a["ok"] != true {
		t.Error(a)
	}
}

func TestFilesTakeRights(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	p.Change(func(w *Workspace) { w.Scopes = []string{"chat:write"} })
	for method, needed := range map[string]string{"files.getUploadURLExternal": "files:write", "files.completeUploadExternal": "files:write", "files.info": "files:read"} {
		if a := call(t, p, method, url.Values{}); a["error"] != "missing_scope" || a["needed"] != needed {
			t.Errorf("%s: %v", method, a)
		}
	}
	p.Change(func(w *Workspace) { w.Scopes, w.Uploads = []string{"files:write"}, false })
	if a := call(t, p, "files.getUploadURLExternal", url.Values{"filename": {"a"}, "length": {"1"}}); a["error"] != "file_uploads_disabled" {
		t.Error(a)
	}
}

// Files that are completed for a channel are a message there.
func TestSharedFilesAreMessages(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	a := call(t, p, "files.getUploadURLExternal", url.Values{"filename": {"a.png"}, "length": {"8"}})
	send(t, p, "POST", a["upload_url"].(string), "image/png", png)
	list := `[{"id":"` + a["file_id"].(string) + `"}]`
	if a := call(t, p, "files.completeUploadExternal", url.Values{"files": {list}, "channel_id": {"C0OTHER00"}}); a["error"] != "channel_not_found" {
		t.Error(a)
	}
	if a := call(t, p, "files.completeUploadExternal", url.Values{"files": {list}, "channel_id": {Channel}}); a["ok"] != true || len(p.Posts()) != 1 {
		t.Errorf("%v, %d posts", a, len(p.Posts()))
	}
}
