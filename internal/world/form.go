package world

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// form is what the wall's form holds, and what is wrong with it.
type form struct {
	Title, TitleEN, Body, BodyEN, Date, Time, Place, Link string
	Faults                                                []fault
}

type fault struct{ Field, Message string }

// For is what is wrong with one field of the form.
func (f form) For(field string) string {
	for _, x := range f.Faults {
		if x.Field == field {
			return x.Message
		}
	}
	return ""
}

// fresh is an empty form with a date a few weeks ahead.
func fresh(now time.Time) form {
	return form{Date: now.AddDate(0, 0, 21).Format(time.DateOnly), Time: "18:30"}
}

// fields maps where the API found a fault to the form's fields.
var fields = map[string]string{
	"body.texts.fr.title": "title", "body.texts.en.title": "title_en", "body.texts.fr.body": "body", "body.texts.en.body": "body_en",
	"body.event.starts_at": "date", "body.event.venue.name": "place", "body.link": "link",
}

func (f form) draft() announce.Draft {
	d := announce.Draft{
		Kind: announce.KindNews, Default: "fr", Link: f.Link,
		Texts: map[announce.Language]announce.Text{"fr": {Title: f.Title, Body: f.Body}},
	}
	if f.TitleEN != "" || f.BodyEN != "" {
		d.Texts["en"] = announce.Text{Title: f.TitleEN, Body: f.BodyEN}
	}
	if f.Date != "" {
		d.Kind = announce.KindEvent
		d.Event = &announce.DraftEvent{StartsAt: f.Date + "T" + f.Time}
		if f.Place != "" {
			d.Event.Venue = &announce.Venue{Name: f.Place}
		}
	}
	return d
}

func (x *wall) submit(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	value := func(name string) string {
		return strings.TrimSpace(strings.ReplaceAll(r.PostFormValue(name), "\r\n", "\n"))
	}
	f := form{
		Title: value("title"), TitleEN: value("title_en"), Body: value("body"), BodyEN: value("body_en"),
		Date: value("date"), Time: value("time"), Place: value("place"), Link: value("link"),
	}
	body, err := json.Marshal(f.draft())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := x.ask(r.Context(), body)
	if answer.Code == http.StatusAccepted {
		http.Redirect(w, r, "/wall#board", http.StatusSeeOther)
		return
	}
	var problem struct {
		Detail string
		Errors []struct{ Location, Message string }
	}
	if json.Unmarshal(answer.Body.Bytes(), &problem) != nil || len(problem.Errors) == 0 {
		f.Faults = append(f.Faults, fault{"", problem.Detail})
	}
	for _, e := range problem.Errors {
		field, known := fields[e.Location]
		message := e.Message
		if !known {
			message = strings.TrimPrefix(e.Location, "body.") + ": " + message
		}
		f.Faults = append(f.Faults, fault{field, message})
	}
	x.show(w, r, http.StatusUnprocessableEntity, f)
}
