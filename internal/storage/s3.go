package storage

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// S3Options say how a bucket is reached, beyond what the usual environment says
// (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL_S3 and so on). The zero value is that
// environment. Credentials come from the default chain, never from here.
type S3Options struct {
	Region        string
	Endpoint      string // URL of another store that speaks S3
	PathStyle     *bool  // bucket in the path; nil: when an endpoint is given
	RequesterPays bool
	SSE           string // "", "AES256" or "aws:kms", for what is written
	KMSKey        string // of "aws:kms"; the account's own when ""
	Fetch         FetchOptions
}

// Retries of one request: from 50 ms, doubled up to 10 s, with jitter; together about
// three quarters of a minute.
const (
	s3Attempts     = 12
	s3FirstPause   = 50 * time.Millisecond
	s3LongestPause = 10 * time.Second
)

// s3Client is a process' access to one bucket: all of its readers and writers share it,
// and with it the rate limiter, so that they slow down together when the store asks for
// it.
type s3Client struct {
	*s3.Client
	bucket  string
	options S3Options
	uploads chan struct{} // tokens for parts on their way
}

// uploadsAtOnce bounds the parts of all files of a bucket that are on their way.
const uploadsAtOnce = 8

// s3Clients has one client for each bucket and set of options, for the whole process.
var s3Clients struct {
	sync.Mutex
	m map[string]*s3Client
}

// clientFor returns the client of a bucket.
func clientFor(ctx context.Context, bucket string, o S3Options) (*s3Client, error) {
	pathStyle := "default"
	if o.PathStyle != nil {
		pathStyle = fmt.Sprint(*o.PathStyle)
	}
	key := fmt.Sprintf("%q %q %q %q %s %t %q %q %+v", s3Environment(), bucket, o.Region, o.Endpoint, pathStyle, o.RequesterPays, o.SSE, o.KMSKey, o.Fetch)
	s3Clients.Lock()
	defer s3Clients.Unlock()
	if c := s3Clients.m[key]; c != nil {
		return c, nil
	}
	c, err := newS3Client(ctx, bucket, o)
	if err != nil {
		return nil, err
	}
	if s3Clients.m == nil {
		s3Clients.m = map[string]*s3Client{}
	}
	s3Clients.m[key] = c
	return c, nil
}

// s3Environment is the part of the environment that a client is made from.
func s3Environment() []string {
	var values []string
	for _, name := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"} {
		values = append(values, os.Getenv(name))
	}
	return values
}

func newS3Client(ctx context.Context, bucket string, o S3Options) (*s3Client, error) {
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConns, t.MaxIdleConnsPerHost = 128, 128
			t.ResponseHeaderTimeout = 30 * time.Second
			t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
		})),
		config.WithLogger(logging.Nop{}), // what matters comes back as an error
		config.WithRetryer(func() aws.Retryer { return newRetryer() }),
	}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("s3 configuration: %w", err)
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // as most tools do; the store says so when it is another
	}
	endpoint := o.Endpoint != "" || cfg.BaseEndpoint != nil
	client := s3.NewFromConfig(cfg, func(so *s3.Options) {
		if o.Endpoint != "" {
			so.BaseEndpoint = aws.String(o.Endpoint)
		}
		so.UsePathStyle = endpoint || so.BaseEndpoint != nil
		if o.PathStyle != nil {
			so.UsePathStyle = *o.PathStyle
		}
		so.APIOptions = append(so.APIOptions, observeAttempts)
		if o.RequesterPays {
			so.APIOptions = append(so.APIOptions, smithyhttp.AddHeaderValue("x-amz-request-payer", "requester"))
		}
	})
	return &s3Client{Client: client, bucket: bucket, options: o, uploads: make(chan struct{}, uploadsAtOnce)}, nil
}

// newRetryer is the SDK's adaptive mode: a rate that sinks when the store throttles, and
// rises again slowly.
func newRetryer() aws.Retryer {
	return retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.StandardOptions = append(o.StandardOptions, func(so *retry.StandardOptions) {
			so.MaxAttempts = s3Attempts
			so.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
				d := min(s3FirstPause<<min(attempt, 20), s3LongestPause)
				return d/2 + rand.N(d/2), nil
			})
			so.RateLimiter = noQuota{} // the SDK's quota gives up under throttling that lasts
			so.Retryables = append(so.Retryables, retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{409: {}, 429: {}}})
		})
	})
}

// noQuota lets every retry through: how many there are is bounded by s3Attempts.
type noQuota struct{}

func (noQuota) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}
func (noQuota) AddTokens(uint) error { return nil }

// splitS3 parts s3://bucket/key.
func splitS3(uri string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(uri, "s3://")
	bucket, key, _ = strings.Cut(rest, "/")
	if !ok || bucket == "" {
		return "", "", fmt.Errorf("location %q: write s3://bucket/prefix", uri)
	}
	return bucket, key, nil
}

// sse are the encryption headers of what is written.
func (c *s3Client) sse() (sse types.ServerSideEncryption, key *string) {
	if c.options.SSE == string(types.ServerSideEncryptionAwsKms) && c.options.KMSKey != "" {
		key = aws.String(c.options.KMSKey)
	}
	return types.ServerSideEncryption(c.options.SSE), key
}

func (c *s3Client) where(key string) string { return "s3://" + c.bucket + "/" + key }

// acquire takes a token for a part; the caller must release it.
func (c *s3Client) acquire(ctx context.Context) error {
	select {
	case c.uploads <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *s3Client) release() { <-c.uploads }

// number is a size in the form that the SDK wants, of which it has several.
func number(n int) *int32 {
	return aws.Int32(int32(min(n, math.MaxInt32))) //nolint:gosec // bounded
}

var errNoUpload = errors.New("no such upload")
