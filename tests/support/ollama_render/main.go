// Renders TEMPLATEs as Ollama does: its collation of messages, and Go's own text/template with its one option.
// Reads [{"template": "...", "messages": [{"role": "...", "content": "..."}]}], writes [{"text": "..."} or {"error": "..."}].
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type Case struct {
	Template string    `json:"template"`
	Messages []Message `json:"messages"`
}

func collated(messages []Message) (string, []*Message) {
	system := []string{}
	found := []*Message{}
	for _, message := range messages {
		own := message
		if own.Role == "system" {
			system = append(system, own.Content)
		}
		if last := len(found) - 1; last >= 0 && found[last].Role == own.Role {
			found[last].Content += "\n\n" + own.Content
			continue
		}
		found = append(found, &own)
	}
	return strings.Join(system, "\n\n"), found
}

func render(asked Case) map[string]string {
	parsed, err := template.New("").Option("missingkey=zero").Parse(asked.Template)
	if err != nil {
		return map[string]string{"error": err.Error()}
	}
	system, messages := collated(asked.Messages)
	var text strings.Builder
	values := map[string]any{"System": system, "Messages": messages, "Response": ""}
	if err := parsed.Execute(&text, values); err != nil {
		return map[string]string{"error": err.Error()}
	}
	return map[string]string{"text": text.String()}
}

func main() {
	var asked []Case
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	answers := []map[string]string{}
	for _, one := range asked {
		answers = append(answers, render(one))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}
