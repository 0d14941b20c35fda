package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
)

func BenchmarkOpenEmpty(b *testing.B) {
	for b.Loop() {
		q, err := Open(b.Context(), Config{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := q.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkEnqueue(b *testing.B) {
	q := embedded(b)
	for i := 0; b.Loop(); i++ {
		if err := q.Enqueue(b.Context(), Job{"slack", fmt.Sprint(i)}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEnqueueParallel(b *testing.B) {
	q := embedded(b)
	var n atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := q.Enqueue(b.Context(), Job{"slack", fmt.Sprint(n.Add(1))}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkThere(b *testing.B) { // from Enqueue to the begin of handle
	q := embedded(b)
	there := make(chan struct{}, 1)
	consume(b, q, "slack", 1, func(context.Context, Job) { there <- struct{}{} })
	for i := 0; b.Loop(); i++ {
		if err := q.Enqueue(b.Context(), Job{"slack", fmt.Sprint(i)}); err != nil {
			b.Fatal(err)
		}
		<-there
	}
}
