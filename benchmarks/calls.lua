-- One call of a thousand keys at a time; prints one line of JSON at the end. Arguments: a number that is new
-- in each run, the file of keys (header, organisation ID, registration number), and the document to send.
local run, document
local keys, ready, calls = {}, {}, 0

function init(arguments)
  run = arguments[1]
  math.randomseed(tonumber(run))
  if arguments[2] then
    for line in io.lines(arguments[2]) do
      local header, organisation, registration = line:match("([^\t]+)\t?([^\t]*)\t?([^\t]*)")
      local key = { path = wrk.path:gsub("ORGANISATION", organisation), registration = registration,
                    headers = { Authorization = header } }
      keys[#keys + 1] = key
      ready[#ready + 1] = wrk.format("GET", key.path, key.headers)
    end
  else
    ready[1] = wrk.format("GET", wrk.path)
  end
  if arguments[3] then document = io.open(arguments[3]):read("*a") end
end

function request()
  local place = math.random(#ready)
  if not document then return ready[place] end
  calls = calls + 1
  local key = keys[place]
  local values = { NUMBER = run .. "-" .. calls, SUPPLIER = key.registration }
  key.headers["Content-Type"], key.headers["Idempotency-Key"] = "application/xml", values.NUMBER
  return wrk.format("POST", key.path, key.headers, (document:gsub("{(%u+)}", values)))
end

function done(summary, latency, requests)
  local errors, wrong = summary.errors, 0
  for _, number in pairs(errors) do wrong = wrong + number end
  io.write(string.format('{"calls": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "wrong": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, wrong))
end
