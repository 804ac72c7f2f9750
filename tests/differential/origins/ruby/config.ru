# Answers every request with its id and appends what puma saw to the log that ORIGIN_LOG names (tests/differential).

require "digest"
require "json"

LOG = File.open(ENV.fetch("ORIGIN_LOG"), "ab")
LOG.sync = true

def hex(text) = text.b.unpack1("H*")
def plain(text) = text.to_s.gsub(/[^0-9A-Za-z-]/, "")

run(lambda do |env|
  body = env["rack.input"].read.b
  declared = env["CONTENT_LENGTH"]
  next [400, { "connection" => "close" }, []] if declared && declared.to_i != body.bytesize

  id = plain(env["HTTP_X_REQUEST_ID"])
  line = {
    id: id, case: plain(env["HTTP_X_CASE"]), method: hex(env["REQUEST_METHOD"]), target: hex(env["REQUEST_URI"]),
    views: [["PATH_INFO", "raw", hex(env["PATH_INFO"])]], length: body.bytesize, sha1: Digest::SHA1.hexdigest(body)
  }
  LOG.write(JSON.generate(line) + "\n")
  [200, { "content-length" => id.bytesize.to_s }, [env["REQUEST_METHOD"] == "HEAD" ? "" : id]]
end)
