package announce

import "testing"

func TestTodo(t *testing.T) {
	for _, c := range []struct {
		name  string
		d     Delivery
		todo  Verb
		state State
	}{
		{"new", Delivery{Wanted: true, Rev: 1}, Publish, Waiting},
		{"shown", Delivery{Wanted: true, Rev: 1, Shown: 1}, Nothing, Published},
		{"amended after it was shown", Delivery{Wanted: true, Rev: 3, Shown: 1}, Amend, Published},
		{"amended before it was shown", Delivery{Wanted: true, Rev: 3}, Publish, Waiting},
		{"retracted before it was shown", Delivery{Rev: 1}, Nothing, Retracted},
		{"retracted after it was shown", Delivery{Rev: 1, Shown: 1}, Retract, Waiting},
		{"being called", Delivery{Wanted: true, Rev: 1, Calling: Publish}, Settle, CallingNow},
		{"retracted while being called", Delivery{Rev: 1, Calling: Publish}, Settle, CallingNow},
		{"call lost", Delivery{Wanted: true, Rev: 1, Calling: Publish, Fault: "no answer"}, Settle, Unknown},
		{"looked once", Delivery{Wanted: true, Rev: 1, Calling: Publish, Looks: 1}, Settle, Unknown},
		{"a person is asked", Delivery{Wanted: true, Rev: 1, Calling: Publish, Rest: Person}, Nothing, Unknown},
		{"refused", Delivery{Wanted: true, Rev: 1, Rest: Failed}, Nothing, FailedState},
		{"amendment refused", Delivery{Wanted: true, Rev: 2, Shown: 1, Rest: Failed}, Nothing, Published},
		{"cannot be retracted", Delivery{Rev: 1, Shown: 1, Rest: Cannot}, Nothing, Published},
		{"stays as it is", Delivery{Wanted: true, Rev: 2, Shown: 1, Manner: Kept}, Nothing, Published},
		{"not wanted, and stays as it is", Delivery{Rev: 2, Shown: 1, Manner: Kept}, Nothing, Published},
		{"would stay as it is, if it were there", Delivery{Wanted: true, Rev: 2, Manner: Kept}, Publish, Waiting},
		{"published anew", Delivery{Wanted: true, Rev: 2, Shown: 1, Manner: Anew}, Retract, Published},
		{"taken away, to be published anew", Delivery{Wanted: true, Rev: 2, Manner: Anew}, Publish, Waiting},
		{"too late", Delivery{Wanted: true, Rev: 1, Rest: Skipped}, Nothing, SkippedState},
	} {
		if got := c.d.Todo(); got != c.todo {
			t.Errorf("%s: todo %q, want %q", c.name, got, c.todo)
		}
		if got := c.d.State(); got != c.state {
			t.Errorf("%s: state %q, want %q", c.name, got, c.state)
		}
	}
}
