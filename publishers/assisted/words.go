package assisted

import "github.com/crieur/crieur/internal/announce"

// words are the instructions in one language.
type words struct {
	publish func(where string, images int) string
	amend   func(where string, images int) string
	retract func(where string, maybe bool) string // maybe: it is not known whether it was posted
}

// wordsOf are those of a language, in English when there are none.
func wordsOf(l announce.Language) words {
	if l.Base() == "fr" {
		return french()
	}
	return english()
}

func french() words {
	return words{
		publish: func(where string, images int) string {
			join := ""
			switch {
			case images == 1:
				join = "joignez-y l’image et son texte de remplacement, "
			case images > 1:
				join = "joignez-y les images et leurs textes de remplacement, "
			}
			return "À publier à la main, " + where + "\u00a0: collez le texte préparé, " + join + "puis donnez à Crieur l’adresse de la publication."
		},
		amend: func(where string, images int) string {
			join := ""
			if images > 0 {
				join = "vérifiez les images, "
			}
			return "À corriger à la main, " + where + "\u00a0: remplacez le texte de la publication par le nouveau texte préparé, " + join + "puis dites à Crieur que c’est fait."
		},
		retract: func(where string, maybe bool) string {
			if maybe {
				return "À ne plus publier, ou à retirer à la main, " + where + "\u00a0: si vous l’aviez publiée, supprimez la publication\u00a0; puis dites-le à Crieur."
			}
			return "À retirer à la main, " + where + "\u00a0: supprimez la publication, puis dites à Crieur que c’est fait."
		},
	}
}

func english() words {
	return words{
		publish: func(where string, images int) string {
			join := ""
			switch {
			case images == 1:
				join = "attach the image and its text alternative, "
			case images > 1:
				join = "attach the images and their text alternatives, "
			}
			return "To post by hand, " + where + ": paste the prepared text, " + join + "then give Crieur the post’s address."
		},
		amend: func(where string, images int) string {
			join := ""
			if images > 0 {
				join = "check the images, "
			}
			return "To correct by hand, " + where + ": replace the post’s text with the new prepared text, " + join + "then tell Crieur that it is done."
		},
		retract: func(where string, maybe bool) string {
			if maybe {
				return "Not to be posted any more, or to take back by hand, " + where + ": if you had posted it, delete the post; then tell Crieur."
			}
			return "To take back by hand, " + where + ": delete the post, then tell Crieur that it is done."
		},
	}
}
