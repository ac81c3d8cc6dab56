-- ./run bench peers: address and person, each out of several fields, go on alone.
function pick(tag, timestamp, record)
	local properties = record.properties
	return 1, timestamp, {
		address = record.ClientIP or record.ClientIPAddress or record.callerIpAddress,
		user = record.UserId or (type(properties) == "table" and properties.userPrincipalName or nil),
	}
end
