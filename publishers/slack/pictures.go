package slack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// shown is how a picture is shown: from a public address, as a file that was uploaded to Slack, or, when it is zero, by
// its words.
type shown struct{ address, file string }

// Why Slack refused a post, when it was for a picture: it made nothing then.
var (
	errAddress = errors.New("a picture at an address")
	errFile    = errors.New("a picture that was uploaded")
)

// addressed shows each picture that has a public address from there.
func addressed(m announce.Message) []shown {
	show := make([]shown, len(m.Images))
	for i, p := range m.Images {
		if strings.HasPrefix(p.URL, "https://") && units(p.URL) <= mostLink {
			show[i].address = p.URL
		}
	}
	return show
}

// withoutAddresses shows no picture from an address any more. False: none was.
func withoutAddresses(show []shown) bool {
	some := slices.ContainsFunc(show, func(s shown) bool { return s.address != "" })
	for i := range show {
		show[i].address = ""
	}
	return some
}

// withoutFiles shows no picture as a file any more. False: none was.
func withoutFiles(show []shown) bool {
	some := slices.ContainsFunc(show, func(s shown) bool { return s.file != "" })
	for i := range show {
		show[i].file = ""
	}
	return some
}

// illustrated sends m with its pictures. Where Slack says that it refuses the post for a picture it made nothing: m is
// then sent with its pictures shown in the next way, at last by their words.
func (b *bot) illustrated(ctx context.Context, m announce.Message, send func(context.Context, post) error) error {
	show, uploads := addressed(m), !b.personal
	for {
		if uploads {
			if err := b.upload(ctx, m, show); err != nil {
				return err
			}
		}
		err := send(ctx, compose(b.markdown, m, show))
		switch {
		case errors.Is(err, errAddress) && withoutAddresses(show):
		case errors.Is(err, errFile) && withoutFiles(show):
			uploads = false
		default:
			return err
		}
	}
}

// upload brings each picture that is not shown yet to Slack, as a file of the app that is in no channel. No reader sees
// anything of it, so it may be repeated. What Slack refuses keeps its words.
func (b *bot) upload(ctx context.Context, m announce.Message, show []shown) error {
	var done []slackgo.FileSummary
	for i, p := range m.Images {
		if show[i] != (shown{}) || len(p.Data) == 0 {
			continue
		}
		id, err := b.file(ctx, p, i+1)
		switch {
		case refused(err):
		case err != nil:
			return err
		default:
			show[i].file = id
			done = append(done, slackgo.FileSummary{ID: id, Title: clip(strings.TrimSpace(m.Subject), maxHeader)})
		}
	}
	if len(done) == 0 {
		return nil
	}
	watched, x := rest.Watch(ctx)
	answer, err := b.api.CompleteUploadExternalContext(watched, slackgo.CompleteUploadExternalParameters{Files: done})
	err = b.client.Judge(x, err, false, classify(false, true))
	switch {
	case refused(err):
		withoutFiles(show)
		return nil
	case err != nil:
		return err
	case len(answer.Files) != len(done):
		return unsure(false, "Slack does not say that it has the pictures", "")
	}
	b.process(ctx, done)
	return nil
}

// file brings one picture to Slack and returns the name that Slack gives it.
func (b *bot) file(ctx context.Context, p announce.Picture, number int) (string, error) {
	name := fmt.Sprintf("image%d.%s", number, strings.Replace(path.Base(p.Type), "jpeg", "jpg", 1))
	watched, x := rest.Watch(ctx)
	place, err := b.api.GetUploadURLExternalContext(watched, slackgo.GetUploadURLExternalParameters{FileName: name, FileSize: len(p.Data), AltTxt: clip(strings.TrimSpace(p.Alt), maxAlt)})
	if err := b.client.Judge(x, err, false, classify(false, true)); err != nil {
		return "", err
	}
	if place.UploadURL == "" || place.FileID == "" {
		return "", unsure(false, "Slack names no place for a picture", "")
	}
	if granted := scopes(x.Header()); len(granted) > 0 && !slices.Contains(granted, filesRead) {
		return "", &announce.Error{Outcome: announce.Permanent, Status: "missing_scope", Fault: "the Slack app may not learn when a picture can be shown: add the scope " + filesRead}
	}
	watched, x = rest.Watch(ctx)
	err = b.api.UploadToURL(watched, slackgo.UploadToURLParameters{UploadURL: place.UploadURL, Filename: name, Reader: bytes.NewReader(p.Data)})
	return place.FileID, b.client.Judge(x, err, false, classifyUpload)
}

// refused reports whether Slack does not want a picture, whatever is wrong with it or with the app's rights. What is
// wrong with the account as a whole the post itself will tell.
func refused(err error) bool {
	var e *announce.Error
	return errors.As(err, &e) && e.Outcome == announce.Permanent
}

const (
	asksFirst = 100 * time.Millisecond
	asksLast  = 2 * time.Second
	asksFor   = 20 * time.Second // for all pictures of a post
)

// process waits until Slack has looked into the files: before, it refuses posts that show them. It is over when Slack
// knows their types, cannot be asked, or has had time enough.
func (b *bot) process(ctx context.Context, files []slackgo.FileSummary) {
	ctx, cancel := context.WithTimeout(ctx, b.asksFor)
	defer cancel()
	for _, f := range files {
		for wait := asksFirst; !b.processed(ctx, f.ID); wait = min(2*wait, asksLast) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
	}
}

// processed reports whether there is nothing to wait for.
func (b *bot) processed(ctx context.Context, id string) bool {
	watched, x := rest.Watch(ctx)
	f, _, _, err := b.api.GetFileInfoContext(watched, id, slackgo.DEFAULT_FILES_COUNT, slackgo.DEFAULT_FILES_PAGE)
	err = b.client.Judge(x, err, false, classify(false, true))
	return refused(err) || err == nil && f.Mimetype != ""
}
