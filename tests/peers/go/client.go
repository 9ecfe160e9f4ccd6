// A client on the Go SDK: client URL ERA

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const patience = 15 * time.Second

var asks = map[bool]string{false: "test_elicitation", true: "test_input_required_result_elicitation"}

// step does one thing and prints its name, and what was wrong where something was.
func step(name string, act func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	said := ""
	if err := act(ctx); err != nil {
		said = err.Error()
	}
	line, _ := json.Marshal(map[string]string{"step": name, "error": said})
	fmt.Println(string(line))
}

func textOf(result *mcp.CallToolResult) string {
	var all strings.Builder
	for _, each := range result.Content {
		if text, ok := each.(*mcp.TextContent); ok {
			all.WriteString(text.Text)
		}
	}
	return all.String()
}

func answer(_ context.Context, request *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
	content := map[string]any{}
	known := map[string]string{"name": "Alice", "username": "alice", "email": "alice@example.com"}
	raw, _ := json.Marshal(request.Params.RequestedSchema)
	var form struct {
		Properties map[string]any `json:"properties"`
	}
	_ = json.Unmarshal(raw, &form)
	for name := range form.Properties {
		content[name] = known[name]
	}
	return &mcp.ElicitResult{Action: "accept", Content: content}, nil
}

func main() {
	url, era := os.Args[1], os.Args[2]
	changed := make(chan struct{}, 16)
	var lock sync.Mutex
	var seen []float64
	client := mcp.NewClient(&mcp.Implementation{Name: "peer-go", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler:     answer,
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} },
		ProgressNotificationHandler: func(_ context.Context, request *mcp.ProgressNotificationClientRequest) {
			lock.Lock()
			defer lock.Unlock()
			seen = append(seen, request.Params.Progress)
		},
	})
	var session *mcp.ClientSession
	step("connect", func(context.Context) (err error) {
		options := &mcp.ClientSessionOptions{}
		if era == "legacy" {
			options.ProtocolVersion = "2025-11-25"
		}
		session, err = client.Connect(context.Background(), &mcp.StreamableClientTransport{Endpoint: url}, options)
		if err == nil && era == "modern" && session.InitializeResult().ProtocolVersion != "2026-07-28" {
			err = fmt.Errorf("fell back to %s", session.InitializeResult().ProtocolVersion)
		}
		return err
	})
	if session == nil {
		os.Exit(1)
	}
	call := func(ctx context.Context, name string, arguments map[string]any) (*mcp.CallToolResult, error) {
		return session.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: arguments})
	}
	step("list", func(ctx context.Context) error {
		listed, err := session.ListTools(ctx, nil)
		if err != nil {
			return err
		}
		for _, tool := range listed.Tools {
			if tool.Name == "test_simple_text" {
				return nil
			}
		}
		return errors.New("expected test_simple_text in the list")
	})
	step("call", func(ctx context.Context) error {
		result, err := call(ctx, "test_simple_text", nil)
		if err == nil && textOf(result) != "This is a simple text response for testing." {
			err = errors.New("expected the simple text")
		}
		return err
	})
	step("error", func(ctx context.Context) error {
		result, err := call(ctx, "test_error_handling", nil)
		if err == nil && !result.IsError {
			err = errors.New("expected isError")
		}
		return err
	})
	step("progress", func(ctx context.Context) error {
		params := &mcp.CallToolParams{Name: "test_tool_with_progress"}
		params.SetProgressToken("progress")
		_, err := session.CallTool(ctx, params)
		time.Sleep(100 * time.Millisecond) // handlers run beside the call
		lock.Lock()
		defer lock.Unlock()
		if got := fmt.Sprint(seen); err == nil && got != "[0 50 100]" {
			err = fmt.Errorf("expected 0, 50, 100 and not %s", got)
		}
		return err
	})
	step("read", func(ctx context.Context) error {
		result, err := session.ReadResource(ctx, &mcp.ReadResourceParams{URI: "test://static-text"})
		if err == nil && result.Contents[0].Text != "This is the content of the static text resource." {
			err = errors.New("expected the static text")
		}
		return err
	})
	step("prompt", func(ctx context.Context) error {
		arguments := map[string]string{"arg1": "a", "arg2": "b"}
		result, err := session.GetPrompt(ctx, &mcp.GetPromptParams{Name: "test_prompt_with_arguments", Arguments: arguments})
		if err != nil {
			return err
		}
		text, _ := result.Messages[0].Content.(*mcp.TextContent)
		if text == nil || !strings.Contains(text.Text, "arg1='a', arg2='b'") {
			return errors.New("expected both arguments")
		}
		return nil
	})
	step("ask", func(ctx context.Context) error {
		isModern := session.InitializeResult().ProtocolVersion == "2026-07-28"
		result, err := call(ctx, asks[isModern], map[string]any{"message": "Who are you?"})
		if err == nil && !strings.Contains(strings.ToLower(textOf(result)), "alice") {
			err = fmt.Errorf("expected the answer in %s", textOf(result))
		}
		return err
	})
	step("change", func(ctx context.Context) error {
		if _, err := call(ctx, "test_trigger_tool_change", nil); err != nil {
			return err
		}
		select {
		case <-changed:
			return nil
		case <-ctx.Done():
			return errors.New("expected to hear that the list has changed")
		}
	})
	_ = session.Close()
}
